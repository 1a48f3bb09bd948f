#include "native/nets/registry.h"

namespace l2t::nets {
namespace {

int conv_norm_relu6(Builder& net, int x, const std::string& name, int out, int kernel, int stride, int groups = 1) {
  return net.relu6(net.batch_norm(net.conv2d(x, name + ".0", out, kernel, stride, false, groups), name + ".1"));
}

/// An inverted residual block: 1×1 to `expansion` times the channels, depthwise 3×3, 1×1 to `out` without ReLU; its
/// input is added where it has the same shape.
int inverted_residual(Builder& net, int x, const std::string& name, int expansion, int out, int stride) {
  const int inner = net.channels(x) * expansion;
  int layer = 0;
  const auto next = [&] { return name + ".conv." + std::to_string(layer++); };
  int y = x;
  if (expansion != 1) y = conv_norm_relu6(net, y, next(), inner, 1, 1);
  y = conv_norm_relu6(net, y, next(), inner, 3, stride, /*groups=*/inner);
  y = net.conv2d(y, next(), out, 1, 1, false);
  y = net.batch_norm(y, next());
  return stride == 1 && net.channels(x) == out ? net.add(y, x) : y;
}

}  // namespace

/// MobileNetV2 (Sandler et al. 2018, table 2) with torchvision's names, without its dropout (docs/method.md);
/// features are the last maps of each side. A width multiplies every channel count, as in the other networks:
/// torchvision's own width_mult also rounds to multiples of 8, and leaves the last layers as they are.
Network mobilenet_v2(const std::string& name, int64_t classes, double width) {
  struct Group {
    int expansion, channels, blocks, stride;
  };
  constexpr Group kGroups[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  Builder net(name, classes, width);
  int index = 0;
  const auto next = [&] { return "features." + std::to_string(index++); };
  int x = conv_norm_relu6(net, Builder::kImages, next(), net.scaled(32), 3, 2);
  for (const auto& group : kGroups) {
    for (int k = 0; k < group.blocks; ++k) {
      const int stride = k == 0 ? group.stride : 1;
      if (stride == 2) net.feature(x);
      x = inverted_residual(net, x, next(), group.expansion, net.scaled(group.channels), stride);
    }
  }
  x = conv_norm_relu6(net, x, next(), net.scaled(1280), 1, 1);
  net.feature(x);
  net.linear(net.global_average_pool(x), "classifier.1", net.classes(), Initialisation::kSmallNormal,
             Initialisation::kZeros);
  return std::move(net).finish();
}

}  // namespace l2t::nets
