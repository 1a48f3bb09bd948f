#pragma once
#include "native/terms/terms.h"

namespace l2t::terms {

/// L_wfm, the weighted matching of feature maps, a sum over pairs. r of pair i is the slice `branch.i`: a 1×1
/// convolution with bias, C_n → C_m, uniform ± 1/√C_n, biases too. Its weights k come from the meta-networks and from
/// β, the setting `beta` (transfer/meta_networks.h).
///
/// L_wfm at one map, L = Σ_{b,c} k_{b,c} mean_{h,w} D², with D = r(T) − S. W and b: the branches r of the pairs that
/// share the map, side by side, one 1×1 convolution. A backend computes it (backends/matching.h): directly, as here, or
/// by Gram matrices (backends/cpu/matching_gram.h).
///
///   forward            D = W T + b − S
///   backward           D̄ = (2/HW) k D          T̄ = Wᵀ D̄               W̄ = T⋆D̄          b̄ = Σ D̄
///   tangent            Ḋ = W Ṫ + Ẇ T + ḃ       ė = (2/HW) Σ_{h,w} D Ḋ     L̇ = Σ k ė
///   tangent_backward   D̄̇ = (2/HW) k Ḋ          T̄̇ = Wᵀ D̄̇ + Ẇᵀ D̄      W̄̇ = T⋆D̄̇ + Ṫ⋆D̄    b̄̇ = Σ D̄̇
///
/// k is known and L's cotangent is 1, so forward and backward are one sweep, and so are the tangents. ė (B × C) is
/// ∂L̇/∂k: ∇φ needs nothing else from a step.
std::unique_ptr<Term> make_matching(const std::string& name, Setup& setup);

}  // namespace l2t::terms
