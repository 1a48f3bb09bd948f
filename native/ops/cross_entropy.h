#pragma once
#include <ATen/core/Tensor.h>

/// Cross-entropy of logits z (B × K) with labels y (B, int64), in nats; p = softmax(z). Images may have weights ω (1 by
/// default), and labels may be smoothed by ε (0 by default): q = (1 − ε) onehot(y) + ε/K. Where the ranks share
/// the batch, B is the whole batch's, and z and L are a rank's own parts.
///
///   forward            L  = 1/B Σ_b ω_b ℓ_b,  ℓ = −Σ_c q_c log p_c = (1 − ε)(−log p_y) + ε/K Σ_c −log p_c
///   backward           z̄  = ω (p − q) / B                           (for L̄ = 1)
///   tangent_backward   z̄̇  = ω p ∘ (ż − Σ_k p_k ż_k) / B
namespace l2t::ops {

/// The labels of a batch, and how a run reads them.
struct Labels {
  at::Tensor y;
  at::Tensor weights;  // ω: B, of z's type; undefined: 1
  double smoothing;    // ε
  int64_t images;      // B of the whole batch
};

/// L, a scalar; `log_p` becomes log softmax(z).
at::Tensor cross_entropy(const at::Tensor& z, const Labels& labels, at::Tensor& log_p);

at::Tensor cross_entropy_backward(const at::Tensor& log_p, const Labels& labels);

at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot, const Labels& labels);

}  // namespace l2t::ops
