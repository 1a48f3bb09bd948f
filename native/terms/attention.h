#pragma once
#include "native/terms/terms.h"

/// Attention transfer (Zagoruyko & Komodakis 2017), a sum over pairs. F is S or T, C its channels, P its places:
///
///   a(F) = mean_c F² ,  q(F) = a / max(‖a‖, 1e-12) over places
///   forward    L = κ mean_{b,p} (q(T) − q(S))²
///   backward   q̄ = 2κ (q(T) − q(S)) / (B P) ;  ā = (q̄ − q ⟨q, q̄⟩) / ‖a‖ ;  T̄ = 2 T ā / C
///              (where ‖a‖ < 1e-12, the divisor is a constant: ā = q̄ / 1e-12)
///
/// S: resized to T's size, B × C_m × H × W; T: B × C_n × H × W; κ: `attentionWeight`.
namespace l2t::terms {

/// One pair. `images`: B of the whole batch.
MapLoss attention_value(const at::Tensor& s, const at::Tensor& t, double weight, int64_t images);

constexpr double kSmallestNorm = 1e-12;

}  // namespace l2t::terms
