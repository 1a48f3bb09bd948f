#pragma once
#include "native/terms/kd.h"

/// Learning without forgetting (Li & Hoiem 2016): an extra linear head learns the outputs of the first source. It reads
/// f, the target's last feature T averaged over places. With z = W f + b, L and z̄ are those of kd.h, and
///
///   backward   W̄ = z̄ᵀ f ;  b̄ = Σ_b z̄ ;  T̄ = Wᵀ z̄ / (H W) at every place
///
/// z_S: B × classes of the source; T: B × C × H × W; the slice `lwf_head`: W (classes × C) and b (classes), uniform
/// ± 1/√C; κ: `distillationWeight`; τ: `temperature`.
namespace l2t::terms {

struct DistillationValue {
  at::Tensor loss;
  at::Tensor t_bar;
  at::Tensor weight_bar;
  at::Tensor bias_bar;
};
/// `images`: B of the whole batch.
DistillationValue distillation_value(const at::Tensor& source_logits, const at::Tensor& t, const at::Tensor& weight,
                                     const at::Tensor& bias, const Distillation& settings, int64_t images);

}  // namespace l2t::terms
