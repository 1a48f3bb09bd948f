#pragma once
#include <ATen/core/Tensor.h>

/// linear, y = x Wᵀ + b; x: B × I, W: O × I, b: O.
///
///   forward            y  = x Wᵀ + b
///   backward           x̄  = ȳ W               W̄  = ȳᵀ x               b̄  = Σ_b ȳ
///   tangent            ẏ  = ẋ Wᵀ + x Ẇᵀ + ḃ
///   tangent_backward   x̄̇  = ȳ̇ W + ȳ Ẇ         W̄̇  = ȳ̇ᵀ x + ȳᵀ ẋ        b̄̇  = Σ_b ȳ̇
namespace l2t::ops {

struct LinearGradient {
  at::Tensor x_bar;
  at::Tensor w_bar;
  at::Tensor b_bar;
};

at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b);

LinearGradient linear_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& w);

at::Tensor linear_tangent(const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& w, const at::Tensor& w_dot,
                          const at::Tensor& b_dot);

LinearGradient linear_tangent_backward(const at::Tensor& y_bar, const at::Tensor& y_bar_dot, const at::Tensor& x,
                                       const at::Tensor& x_dot, const at::Tensor& w, const at::Tensor& w_dot);

}  // namespace l2t::ops
