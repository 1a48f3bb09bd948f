#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>

/// The residual add, y = x + skip. Linear, so every sweep is an add or a copy:
///
///   forward  y = x + skip     backward  x̄ = skip̄ = ȳ     tangent  ẏ = ẋ + skiṗ     tangent_backward  x̄̇ = skip̄̇ = ȳ̇
namespace l2t::ops {

/// forward, of values; tangent, of tangents. A new tensor.
inline at::Tensor add(const at::Tensor& x, const at::Tensor& skip) { return at::add(x, skip); }

}  // namespace l2t::ops
