#pragma once
#include "native/terms/terms.h"

/// Distillation (Hinton, Vinyals & Dean 2015): the target's logits z learn those of the first source, z_S, which tells
/// the same classes apart. With p = softmax(z/τ), p_S = softmax(z_S/τ):
///
///   forward    L = κ τ² mean_b KL(p_S ‖ p)
///   backward   z̄ = κ τ (p − p_S) / B
///
/// z and z_S: B × K, in the order of the data's classes (SourceMaps::logits); κ: `kdWeight`; τ: `kdTemperature`.
namespace l2t::terms {

struct Distillation {
  double weight;
  double temperature;
};
struct DistilledLogits {
  at::Tensor loss;
  at::Tensor z_bar;
};
/// `images`: B of the whole batch.
DistilledLogits distilled_logits(const at::Tensor& source_logits, const at::Tensor& z, const Distillation& settings,
                                 int64_t images);

}  // namespace l2t::terms
