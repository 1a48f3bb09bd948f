#include "native/transfer/distillation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>

namespace l2t::transfer {

DistillationValue distillation_value(const at::Tensor& source_logits, const at::Tensor& t, const at::Tensor& weight,
                                     const at::Tensor& bias, const Distillation& settings) {
  const auto [weight_of_loss, temperature] = settings;
  const auto batch = static_cast<double>(t.size(0));
  const auto f = t.mean({2, 3});
  const auto log_p = at::log_softmax(at::addmm(bias, f, weight.t()) / temperature, 1);
  const auto log_p_source = at::log_softmax(source_logits / temperature, 1);
  const auto p_source = log_p_source.exp();
  const auto loss = (p_source * (log_p_source - log_p)).sum() * (weight_of_loss * temperature * temperature / batch);
  const auto z_bar = (log_p.exp() - p_source) * (weight_of_loss * temperature / batch);
  const auto f_bar = at::mm(z_bar, weight) / static_cast<double>(t.size(2) * t.size(3));
  return {loss, f_bar.unsqueeze(2).unsqueeze(3).expand_as(t), at::mm(z_bar.t(), f), z_bar.sum(0)};
}

std::vector<TensorSpec> head_specs(const Source& source, const nets::Network& target) {
  const auto classes = source.network.classes;
  return {{"lwf_head.weight", {classes, target.features.back().channels}}, {"lwf_head.bias", {classes}}};
}

std::vector<nets::ParameterInit> head_initialisation(const nets::Network& target) {
  return std::vector<nets::ParameterInit>(2, {nets::Initialisation::kUniformFanIn, target.features.back().channels});
}

}  // namespace l2t::transfer
