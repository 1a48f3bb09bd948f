#pragma once
#include "native/terms/terms.h"

/// Similarity-preserving distillation (Tung & Mori 2019), a sum over pairs: images that are alike for the source are to
/// be alike for the target. F is S or T, each at its own size, Q(F) its B × CHW matrix:
///
///   G = Q Qᵀ ,  G̃_i = G_i / max(‖G_i‖, 1e-12) for each row i
///   forward    L = γ/B² ‖G̃(S) − G̃(T)‖²
///   backward   G̃̄ = 2γ/B² (G̃(T) − G̃(S)) ;  Ḡ_i = (G̃̄_i − G̃_i ⟨G̃_i, G̃̄_i⟩) / ‖G_i‖ ;  T̄ = (Ḡ + Ḡᵀ) Q(T)
///
/// γ: `spWeight`. Where the ranks share the batch, each has its own rows of G; it needs Q and Ḡ of all
/// ranks.
namespace l2t::terms {

/// One pair; `g_source`: G̃(S).
MapLoss sp_value(const at::Tensor& g_source, const at::Tensor& t, double weight, const SharedBatch& whole);

/// This rank's rows of G̃ of a map: each has one number for each image of the whole batch.
at::Tensor similarity(const at::Tensor& map, const SharedBatch& whole);

}  // namespace l2t::terms
