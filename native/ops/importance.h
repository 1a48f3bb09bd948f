#pragma once
#include <ATen/core/Tensor.h>

/// The meta-networks of one pair, from s, its source map averaged over places: B × C.
///
///   forward    w = softmax(W_f s + b_f)          λ = ReLU6(w_g · s + b_g)
///   backward   from k̄, with k = κ λ w (λ or w that is not learned: 1):   w̄ = κ λ k̄ ,  λ̄ = κ Σ_c w k̄ ;
///              f: logits' cotangent w ∘ (w̄ − Σ_c w w̄) ;  g: λ̄ where 0 < λ < 6 ;
///              through each linear layer W̄ = ȳᵀ s, b̄ = Σ_b ȳ
namespace l2t::ops {

/// Parameters, or their gradients. Undefined: that network is not there.
struct ImportanceNetworks {
  at::Tensor f_weight;  // C × C
  at::Tensor f_bias;    // C
  at::Tensor g_weight;  // 1 × C
  at::Tensor g_bias;    // 1
};

/// Undefined where it is not learned.
struct Importance {
  at::Tensor w;       // B × C, rows sum to 1
  at::Tensor lambda;  // B, in [0, 6]
};

Importance importance(const at::Tensor& s, const ImportanceNetworks& networks);

/// Writes the gradients of what is learned. `scale`: κ.
void importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const Importance& importance, double scale,
                         const ImportanceNetworks& bar);

}  // namespace l2t::ops
