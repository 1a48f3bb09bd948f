#pragma once
#include <ATen/core/Tensor.h>

/// Adaptive average pool: B × C × H × W → B × C × k × k. Place i of a side is the mean over the bin ⌊iH/k⌋ … ⌈(i+1)H/k⌉
/// − 1, as PyTorch has it; bins may overlap, and repeat where H < k. With P (k × H; row i: 1/length in bin i, else 0)
/// for rows and Q (k × W) for columns it is two products of matrices, which a GPU adds up in a fixed order. Linear, so
/// tangents are the same two sweeps:
///
///   forward  y = P x Qᵀ     backward  x̄ = Pᵀ ȳ Q     tangent  ẏ = P ẋ Qᵀ     tangent_backward  x̄̇ = Pᵀ ȳ̇ Q
namespace l2t::ops {

/// forward, of x; tangent, of ẋ. `side`: k.
at::Tensor adaptive_avg_pool(const at::Tensor& x, int64_t side);

/// backward, of ȳ; tangent_backward, of ȳ̇; x gives shape and memory format.
at::Tensor adaptive_avg_pool_backward(const at::Tensor& y_bar, const at::Tensor& x);

}  // namespace l2t::ops
