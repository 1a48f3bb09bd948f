#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/core/parameters.h"
#include "native/nets/network.h"
#include "native/transfer/method.h"
#include "native/transfer/pairs.h"

namespace l2t::transfer {

/// φ: for pair i, `weight_net.i` (f: Linear C_m → C_m, where the method has "what") and `lambda_net.i` (g: Linear C_m →
/// 1, where it has "where"). `channels[i]` is C_m of pair i.
std::vector<TensorSpec> meta_network_specs(const Method& method, const std::vector<int>& channels);

/// The initialisation of meta_network_specs: f zero (uniform w), g's weight uniform ± 1/√fan_in and its bias 1.
std::vector<nets::ParameterInit> meta_network_initialisation(const Method& method, const std::vector<int>& channels);

/// The meta-networks' outputs for a batch, by pair; empty where the method does not learn them.
struct Importance {
  std::vector<at::Tensor> w;       // B × C_m, rows sum to 1: softmax(f(pooled S))
  std::vector<at::Tensor> lambda;  // B, in [0, 6]: ReLU6(g(pooled S))
};

/// `phi`: the tensors of meta_network_specs; `pooled[i]`: B × C_m.
Importance importance(const Method& method, const std::vector<at::Tensor>& phi, const std::vector<at::Tensor>& pooled);

/// k of pair i, B × C_m, with L_wfm = Σ_pairs Σ_{b,c} k_{b,c} e_{b,c}, e the mean squared difference over places:
/// k = β/B · λ_b · w_{b,c}; λ = 1 where amounts are fixed; w = 1 where only amounts are learned, 1/C_m where nothing
/// is.
at::Tensor coefficient(const Method& method, const Importance& importance, size_t pair, double beta,
                       const at::Tensor& pooled);

/// φ's gradient, flat, from k̄ = ∂L/∂k of every pair (B × C_m):
///
///   w̄ = β/B λ k̄ ,  λ̄ = β/B Σ_c w k̄ ;   f: logits' cotangent w ∘ (w̄ − Σ_c w w̄) ;   g: λ̄ where 0 < λ < 6
///
/// and through each linear layer W̄ = ȳᵀ s, b̄ = Σ_b ȳ, with s the pooled map.
at::Tensor importance_backward(const Method& method, double beta, const ParameterVector& phi,
                               const std::vector<at::Tensor>& pooled, const Importance& importance,
                               const std::vector<at::Tensor>& k_bar);

}  // namespace l2t::transfer
