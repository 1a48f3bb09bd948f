#pragma once
#include <ATen/core/Tensor.h>

/// Global average pool, y = mean_{h,w} x: B × C × H × W → B × C. Linear, so tangents are the same two sweeps:
///
///   forward  y = mean x     backward  x̄ = ȳ/(HW) everywhere     tangent  ẏ = mean ẋ     tangent_backward  x̄̇ = ȳ̇/(HW)
namespace l2t::ops {

/// forward, of x; tangent, of ẋ.
at::Tensor avg_pool(const at::Tensor& x);

/// backward, of ȳ; tangent_backward, of ȳ̇; x gives shape and memory format.
at::Tensor avg_pool_backward(const at::Tensor& y_bar, const at::Tensor& x);

}  // namespace l2t::ops
