#pragma once
#include <ATen/core/Tensor.h>

/// Average pools. Both are linear, so tangents are the same two sweeps. The first function of each takes x (forward) or
/// ẋ (tangent); the second ȳ (backward) or ȳ̇ (tangent_backward), and x gives it the shape and the memory format.
namespace l2t::ops {

/// Global: y = mean_{h,w} x, B × C × H × W → B × C.
at::Tensor avg_pool(const at::Tensor& x);

/// x̄ = ȳ/(HW) everywhere.
at::Tensor avg_pool_backward(const at::Tensor& y_bar, const at::Tensor& x);

/// Adaptive, B × C × H × W → B × C × k × k with k = `side`: place i of a side is the mean over the bin ⌊iH/k⌋ …
/// ⌈(i+1)H/k⌉ − 1, as PyTorch has it; bins may overlap, and repeat where H < k. With P (k × H; row i: 1/length in bin
/// i, else 0) for rows and Q (k × W) for columns it is two products of matrices, y = P x Qᵀ, which a GPU adds up in a
/// fixed order.
at::Tensor adaptive_avg_pool(const at::Tensor& x, int64_t side);

/// x̄ = Pᵀ ȳ Q.
at::Tensor adaptive_avg_pool_backward(const at::Tensor& y_bar, const at::Tensor& x);

}  // namespace l2t::ops
