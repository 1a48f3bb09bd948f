#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/backends/backend.h"
#include "native/core/layout.h"
#include "native/core/names.h"
#include "native/nets/network.h"

namespace l2t::transfer {

/// The outputs of a method's meta-networks.
struct Learned {
  /// Channel weights w, by f (else every channel counts the same).
  bool what = false;
  /// Amounts λ, by g (else 1).
  bool where = false;

  /// Checks whether there are meta-networks to train.
  [[nodiscard]] bool any() const { return what || where; }
};

/// How g begins. kPaper: its weight is uniform ± 1/√fan_in and its bias 1, as in the authors' code. kEqual: its weight
/// is 0 and its bias 1, so that λ = 1 for every pair and image.
enum class LambdaInit { kPaper, kEqual };
constexpr auto names_of(LambdaInit) { return std::array{"paper", "equal"}; }

/// φ: for pair i the slices `weight_net.i` (f: Linear C_m → C_m, where w is learned) and `lambda_net.i` (g: Linear C_m
/// → 1, where λ is).
struct MetaNetworks {
  Learned learned;
  LambdaInit lambda_init = LambdaInit::kPaper;
  Layout phi;
  /// The start of each tensor of φ: f zero (uniform w), g as `lambda_init` says.
  std::vector<nets::ParameterInit> initialisation;
  std::vector<Slice> f;  // one for each pair, or none
  std::vector<Slice> g;
};

/// `channels[i]`: C_m of pair i.
MetaNetworks make_meta_networks(Learned learned, const std::vector<int>& channels,
                                LambdaInit lambda_init = LambdaInit::kPaper);

/// The meta-networks' outputs for a batch, by pair; empty where they are not learned.
struct Importance {
  std::vector<at::Tensor> w;       // B × C_m, rows sum to 1: softmax(f(pooled S))
  std::vector<at::Tensor> lambda;  // B, in [0, 6]: ReLU6(g(pooled S))
};

/// `phi`: the tensors of φ; `pooled[i]`: B × C_m. Each pair by ops/importance.h.
Importance importance(const backends::Backend& backend, const MetaNetworks& networks, Tensors phi, Tensors pooled);

/// λ alone, of each pair; empty where λ is not learned.
std::vector<at::Tensor> amounts(const backends::Backend& backend, const MetaNetworks& networks, Tensors phi,
                                Tensors pooled);

/// k of pair i, B × C_m, with L_wfm = Σ_pairs Σ_{b,c} k_{b,c} e_{b,c}, e the mean squared difference over places:
/// k = β/B · λ_b · w_{b,c}; λ = 1 where amounts are fixed; w = 1 where only amounts are learned, 1/C_m where nothing
/// is. `scale`: β/B.
at::Tensor coefficient(const Importance& importance, size_t pair, double scale, const at::Tensor& pooled);

/// φ's gradient, flat, from k̄ = ∂L/∂k of every pair (B × C_m). `scale`: β/B.
at::Tensor importance_backward(const backends::Backend& backend, const MetaNetworks& networks, double scale,
                               Tensors pooled, const Importance& importance, Tensors k_bar);

}  // namespace l2t::transfer
