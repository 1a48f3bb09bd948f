#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/transfer/meta_networks.h"
#include "native/transfer/source_maps.h"

namespace l2t::transfer {

/// What L_wfm reads of a batch at one target map T (B × C_n × H × W): the source maps of all pairs that share T, side
/// by side (C channels), and their coefficients. Made once per iteration.
struct MatchedMap {
  SharedMap sources;
  at::Tensor coefficient;  // B × C: k = β/B · λ · w (meta_networks.h)
};

/// One for each of `maps.shared`.
std::vector<MatchedMap> make_matched_maps(const Method& method, double beta, const SourceMaps& maps,
                                          const Importance& importance);

/// The branches r of the pairs that share a map, side by side: one 1×1 convolution.
struct Branches {
  at::Tensor weight;  // C × C_n × 1 × 1
  at::Tensor bias;    // C
};

/// From a list of every pair's weight and bias, in pair order.
Branches gather_branches(const MatchedMap& map, const at::Tensor* by_pair);

/// Writes gradients back into such a list.
void scatter_branches(const MatchedMap& map, const Branches& gradient, const at::Tensor* by_pair);

/// Splits tensors of matched maps (B × C) into those of every pair (B × C_m), in pair order.
std::vector<at::Tensor> by_pair(const std::vector<MatchedMap>& maps, const std::vector<at::Tensor>& tensors,
                                const std::vector<at::Tensor>& pooled);

/// Matching loss at one map, L = Σ_{b,c} k_{b,c} mean_{h,w} D², with D = r(T) − S.
///
///   forward            D = W T + b − S
///   backward           D̄ = (2/HW) k D          T̄ = Wᵀ D̄               W̄ = T⋆D̄          b̄ = Σ D̄
///   tangent            Ḋ = W Ṫ + Ẇ T + ḃ       ė = (2/HW) Σ_{h,w} D Ḋ     L̇ = Σ k ė
///   tangent_backward   D̄̇ = (2/HW) k Ḋ          T̄̇ = Wᵀ D̄̇ + Ẇᵀ D̄      W̄̇ = T⋆D̄̇ + Ṫ⋆D̄    b̄̇ = Σ D̄̇
///
/// ė (B × C) is ∂L̇/∂k: ∇φ needs nothing else from a step.
struct MatchingGradient {
  at::Tensor t_bar;
  Branches branches;
};

/// Forward and backward in one: k is known and L's cotangent is 1, so the gradient needs no other input.
struct MatchingValue {
  at::Tensor loss;
  MatchingGradient gradient;
};

/// Tangent and, where wanted, tangent_backward.
struct MatchingTangent {
  at::Tensor e_dot;
  MatchingGradient gradient_dot;
};

/// `direct`: uses LibTorch's operations even where kernels/matching.h supports the map.
MatchingValue matching_value(const MatchedMap& map, const Branches& branches, const at::Tensor& t, bool direct);

/// `product`: the gradient's tangent is wanted, too.
MatchingTangent matching_tangent(const MatchedMap& map, const Branches& branches, const Branches& branches_dot,
                                 const at::Tensor& t, const at::Tensor& t_dot, bool product, bool direct);

}  // namespace l2t::transfer
