#pragma once
#include <memory>
#include <vector>

#include "native/backends/matching.h"

namespace l2t::backends::cpu {

/// The matching loss by Gram matrices: neither the resized source map nor the difference D is made. A 1×1 convolution
/// and the bilinear resize (U: HW × hw, R ⊗ R of one matrix an axis) commute, and the loss is a sum of squares. Of each
/// image, with t as HW × C_n, S as hw × C_m, κ = (2/HW) k, and ⟨D, ·⟩ a sum over places:
///
///   G = tᵀ t    m = tᵀ 1    P = Uᵀ t    Q = Sᵀ P    p = Uᵀ 1    u_c = ‖U S_c‖²
///   E = ⟨D, t⟩ = W G + b mᵀ − Q            ε = ⟨D, 1⟩ = W m + b HW − ⟨p, S⟩
///   ⟨D, D⟩ = W·E + b ε − (W·Q + b ⟨p, S⟩ − u)
///   W̄ = Σ κ E       b̄ = Σ κ ε            t̄ = t (Wᵀ κ W) + 1 (Wᵀ κ b)ᵀ − U (S κ W)
///
/// The sums of W̄ and b̄ are over images. And the tangents, with H = ṫᵀ t, Ġ = H + Hᵀ, ṁ = ṫᵀ 1, Q̇ = Sᵀ Uᵀ ṫ:
///
///   ⟨D, Ḋ⟩ = Ẇ·E + ḃ ε + W·(½ W Ġ + b ṁᵀ − Q̇)
///   W̄̇ = Σ κ (W Ġ + Ẇ G + ḃ mᵀ + b ṁᵀ − Q̇)            b̄̇ = Σ κ (Ẇ m + W ṁ + ḃ HW)
///   t̄̇ = ṫ (Wᵀ κ W) + t (N + Nᵀ) + 1 v̇ᵀ − U (S κ Ẇ)     N = Wᵀ κ Ẇ, v̇ = Ẇᵀ κ b + Wᵀ κ ḃ
///
/// G, Wᵀ κ W, E, m and ε are kept from the gradient to the tangent. A source map that is larger than t is resized
/// first. m, ε, p, u, the bias's sums and all products of rows with rows are in double.
std::unique_ptr<MatchedMap> gram_matching(const std::vector<at::Tensor>& sources, const at::Tensor& coefficient,
                                          const at::Tensor& t);

/// By the operations of a gradient and a tangent: 5 C_n² HW + 5 C_n² C + 4 C_n Σ C_m min(hw, HW), against 10 C_n C HW.
bool gram_is_cheaper(const std::vector<at::Tensor>& sources, const at::Tensor& t);

}  // namespace l2t::backends::cpu
