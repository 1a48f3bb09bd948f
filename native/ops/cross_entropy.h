#pragma once
#include <ATen/core/Tensor.h>

/// Cross-entropy of logits z (B × K) with labels y (B, int64), mean over the batch, in nats; p = softmax(z).
///
///   forward            L  = −mean_b log p_{b,y}
///   backward           z̄  = (p − onehot(y)) / B                     (for L̄ = 1)
///   tangent_backward   z̄̇  = p ∘ (ż − Σ_k p_k ż_k) / B
namespace l2t::ops {

/// L, a scalar; `log_p` becomes log softmax(z).
at::Tensor cross_entropy(const at::Tensor& z, const at::Tensor& y, at::Tensor& log_p);

at::Tensor cross_entropy_backward(const at::Tensor& log_p, const at::Tensor& y);

at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot);

}  // namespace l2t::ops
