#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/core/parameters.h"
#include "native/transfer/source_maps.h"

namespace l2t::transfer {

/// Learning without forgetting (Li & Hoiem 2016): an extra linear head learns the source's outputs. It reads f, the
/// target's last feature T averaged over places. With z = W f + b, p = softmax(z/τ), p_S = softmax(z_S/τ), weight κ:
///
///   forward    L = κ τ² mean_b KL(p_S ‖ p)
///   backward   z̄ = κ τ (p − p_S) / B ;  W̄ = z̄ᵀ f ;  b̄ = Σ_b z̄ ;  T̄ = Wᵀ z̄ / (H W) at every place
///
/// z_S: B × classes of the source; T: B × C × H × W; W: classes × C; b: classes.
struct Distillation {
  double weight;       // κ, 1 in the paper
  double temperature;  // τ, 2 in the paper
};

struct DistillationValue {
  at::Tensor loss;
  at::Tensor t_bar;
  at::Tensor weight_bar;
  at::Tensor bias_bar;
};
DistillationValue distillation_value(const at::Tensor& source_logits, const at::Tensor& t, const at::Tensor& weight,
                                     const at::Tensor& bias, const Distillation& settings);

/// `lwf_head.weight` and `lwf_head.bias`, part of θ, thrown away after training; initialised as a branch is.
std::vector<TensorSpec> head_specs(const Source& source, const nets::Network& target);
std::vector<nets::ParameterInit> head_initialisation(const nets::Network& target);

}  // namespace l2t::transfer
