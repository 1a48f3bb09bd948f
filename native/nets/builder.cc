#include "native/nets/builder.h"

#include <algorithm>
#include <cmath>

namespace l2t::nets {

Builder::Builder(std::string name, int64_t classes, double width) : width_(width) {
  network_.name = std::move(name);
  network_.classes = classes;
}

int Builder::scaled(int channels) const { return std::max(1, static_cast<int>(std::lround(channels * width_))); }

int Builder::conv2d(int x, const std::string& name, int out, int kernel, int stride, bool bias, int groups) {
  const int in = channels_[x] / groups;
  const int weight = parameter(name + ".weight", {out, in, kernel, kernel}, Initialisation::kHeNormalFanOut,
                               int64_t{out} * kernel * kernel);
  const int offset = bias ? parameter(name + ".bias", {out}, Initialisation::kZeros, 0) : -1;
  return append({Conv2d{weight, offset, stride, kernel / 2, groups}, {x}}, out);
}

int Builder::batch_norm(int x, const std::string& name) {
  const int c = channels_[x];
  const int scale = parameter(name + ".weight", {c}, Initialisation::kOnes, 0);
  const int shift = parameter(name + ".bias", {c}, Initialisation::kZeros, 0);
  const int mean = buffer(name + ".running_mean", c);
  const int variance = buffer(name + ".running_var", c);
  return append({BatchNorm{scale, shift, mean, variance}, {x}}, c);
}

int Builder::relu(int x) { return append({Relu{}, {x}}, channels_[x]); }

int Builder::relu6(int x) { return append({Relu6{}, {x}}, channels_[x]); }

int Builder::add(int x, int skip) { return append({Add{}, {x, skip}}, channels_[x]); }

int Builder::padded_shortcut(int x, int out, int stride) {
  const int added = out - channels_[x];
  return append({PaddedShortcut{stride, added / 2, added - added / 2}, {x}}, out);
}

int Builder::max_pool(int x, int kernel, int stride, int padding) {
  return append({MaxPool{kernel, stride, padding}, {x}}, channels_[x]);
}

int Builder::global_average_pool(int x) { return append({GlobalAveragePool{}, {x}}, channels_[x]); }

int Builder::adaptive_average_pool(int x, int side) { return append({AdaptiveAveragePool{side}, {x}}, channels_[x]); }

int Builder::flatten(int x) {
  const int side = std::get<AdaptiveAveragePool>(network_.operations[x - 1].kind).side;
  return append({Flatten{}, {x}}, channels_[x] * side * side);
}

int Builder::linear(int x, const std::string& name, int out, Initialisation weight, Initialisation bias) {
  const int in = channels_[x];
  const int w = parameter(name + ".weight", {out, in}, weight, in);
  const int b = parameter(name + ".bias", {out}, bias, in);
  return append({Linear{w, b}, {x}}, out);
}

void Builder::feature(int x, bool stem) { network_.features.push_back({x, channels_[x], stem}); }

int Builder::basic_block(int x, const std::string& name, int out, int stride) {
  const int y = conv_norm_relu(x, name, "1", out, 3, stride);
  return add_skip(x, batch_norm(conv2d(y, name + ".conv2", out, 3, 1, false), name + ".bn2"), name, stride);
}

int Builder::padded_block(int x, const std::string& name, int out, int stride) {
  // The shortcut comes before the convolutions: backends fuse a sum that follows batch norm at once.
  const int skip = stride != 1 || channels_[x] != out ? padded_shortcut(x, out, stride) : x;
  const int y = conv_norm_relu(x, name, "1", out, 3, stride);
  return relu(add(batch_norm(conv2d(y, name + ".conv2", out, 3, 1, false), name + ".bn2"), skip));
}

int Builder::bottleneck(int x, const std::string& name, int inner, int out, int stride, int groups) {
  int y = conv_norm_relu(x, name, "1", inner, 1, 1);
  y = conv_norm_relu(y, name, "2", inner, 3, stride, groups);
  return add_skip(x, batch_norm(conv2d(y, name + ".conv3", out, 1, 1, false), name + ".bn3"), name, stride);
}

int Builder::conv_norm_relu(int x, const std::string& block, const std::string& index, int out, int kernel, int stride,
                            int groups) {
  const int y = conv2d(x, block + ".conv" + index, out, kernel, stride, false, groups);
  return relu(batch_norm(y, block + ".bn" + index));
}

int Builder::add_skip(int x, int y, const std::string& block, int stride) {
  const int out = channels_[y];
  if (stride != 1 || channels_[x] != out) {
    x = batch_norm(conv2d(x, block + ".downsample.0", out, 1, stride, false), block + ".downsample.1");
  }
  return relu(add(y, x));
}

int Builder::parameter(std::string name, std::vector<int64_t> shape, Initialisation kind, int64_t fan) {
  network_.parameters.push_back({std::move(name), std::move(shape)});
  network_.initialisation.push_back({kind, fan});
  return static_cast<int>(network_.parameters.size()) - 1;
}

int Builder::buffer(std::string name, int channels) {
  network_.buffers.push_back({std::move(name), {channels}});
  return static_cast<int>(network_.buffers.size()) - 1;
}

int Builder::append(Operation operation, int channels) {
  network_.operations.push_back(std::move(operation));
  channels_.push_back(channels);
  return static_cast<int>(channels_.size()) - 1;
}

}  // namespace l2t::nets
