#pragma once
#include <string>

#include "native/nets/network.h"

namespace l2t::nets {

/// Writes a network's list of operations: each call appends one operation and returns the value that it makes.
class Builder {
 public:
  Builder(std::string name, int64_t classes, double width);

  /// `channels` of the full-width network, after the width multiplier: rounded, at least 1.
  [[nodiscard]] int scaled(int channels) const;

  static constexpr int kImages = 0;
  int conv2d(int x, const std::string& name, int out, int kernel, int stride, bool bias, int groups = 1);
  int batch_norm(int x, const std::string& name);
  int relu(int x);
  int relu6(int x);
  int add(int x, int skip);
  /// `out`: channels, not fewer than x has.
  int padded_shortcut(int x, int out, int stride);
  int max_pool(int x, int kernel, int stride, int padding);
  int global_average_pool(int x);
  int adaptive_average_pool(int x, int side);
  /// x: the output of an adaptive average pool, whose side does not depend on the images'.
  int flatten(int x);
  int linear(int x, const std::string& name, int out, Initialisation weight, Initialisation bias);
  void feature(int x, bool stem = false);

  [[nodiscard]] int channels(int x) const { return channels_[x]; }
  [[nodiscard]] int classes() const { return static_cast<int>(network_.classes); }

  /// A residual block of two 3×3 convolutions: conv, BN, ReLU, conv, BN, + skip, ReLU; the stride is in conv1, and the
  /// skip is a 1×1 convolution with BN (`downsample`) only where stride or channels change.
  int basic_block(int x, const std::string& name, int out, int stride);

  /// A basic block whose skip is a padded shortcut where stride or channels change.
  int padded_block(int x, const std::string& name, int out, int stride);

  /// A residual block of 1×1, 3×3 and 1×1 convolutions, with `inner` channels between them; the stride is in conv2, as
  /// torchvision has it. The skip is that of a basic block.
  int bottleneck(int x, const std::string& name, int inner, int out, int stride, int groups = 1);

  Network finish() && { return std::move(network_); }

 private:
  int conv_norm_relu(int x, const std::string& block, const std::string& index, int out, int kernel, int stride,
                     int groups = 1);
  /// Adds the block's input x to y.
  int add_skip(int x, int y, const std::string& block, int stride);
  int parameter(std::string name, std::vector<int64_t> shape, Initialisation kind, int64_t fan);
  int buffer(std::string name, int channels);
  int append(Operation operation, int channels);

  double width_;
  Network network_;
  std::vector<int> channels_{3};  // of each value
};

}  // namespace l2t::nets
