#pragma once
#include <ATen/core/Tensor.h>

/// conv2d, y = W ∗ x + b; x: B × C_in × H × W, W: C_out × C_in/groups × k × k, b: C_out or undefined. Each group of
/// channels is convolved by itself: groups = C_in = C_out is a depthwise convolution.
///
///   forward            y  = W∗x + b
///   backward           x̄  = Wᵀ∗ȳ              W̄  = x⋆ȳ              b̄ = Σ ȳ
///   tangent            ẏ  = W∗ẋ + Ẇ∗x + ḃ
///   tangent_backward   x̄̇  = Wᵀ∗ȳ̇ + Ẇᵀ∗ȳ      W̄̇  = x⋆ȳ̇ + ẋ⋆ȳ       b̄̇ = Σ ȳ̇
///
/// An undefined x_dot means zero (x is the images; x̄ is not wanted). `input`: x̄ is wanted. All results are new tensors.
namespace l2t::ops {

struct Conv2dWindow {
  int64_t stride;
  int64_t padding;
  int64_t groups = 1;
};
/// A 1×1 convolution.
constexpr Conv2dWindow kPointwise{1, 0};

struct Conv2dGradient {
  at::Tensor x_bar;  // undefined where not wanted
  at::Tensor w_bar;
  at::Tensor b_bar;  // undefined where there is no bias
};

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, Conv2dWindow window);

Conv2dGradient conv2d_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& w, bool bias, bool input,
                               Conv2dWindow window);

at::Tensor conv2d_tangent(const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& w, const at::Tensor& w_dot,
                          const at::Tensor& b_dot, Conv2dWindow window);

/// Tangents of conv2d_backward's results.
Conv2dGradient conv2d_tangent_backward(const at::Tensor& y_bar, const at::Tensor& y_bar_dot, const at::Tensor& x,
                                       const at::Tensor& x_dot, const at::Tensor& w, const at::Tensor& w_dot, bool bias,
                                       bool input, Conv2dWindow window);

}  // namespace l2t::ops
