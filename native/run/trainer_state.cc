#include <ATen/ops/tensor.h>

#include "native/core/error.h"
#include "native/run/trainer.h"

/// Saves and restores a run. Batches and crops are functions of (seed, epoch, step), so a run has no random state but
/// its position.
namespace l2t::run {
namespace {

std::vector<TensorSpec> named_specs(const std::vector<NamedTensor>& tensors) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : tensors) specs.push_back({name, tensor.sizes().vec()});
  return specs;
}

std::vector<at::Tensor> values(const std::vector<NamedTensor>& tensors) {
  std::vector<at::Tensor> result;
  for (const auto& named : tensors) result.push_back(named.tensor);
  return result;
}

}  // namespace

const at::Tensor& state_entry(const std::vector<NamedTensor>& state, const std::string& name, int64_t length,
                              at::ScalarType type) {
  for (const auto& [key, tensor] : state) {
    if (key == name && tensor.numel() == length && tensor.scalar_type() == type) return tensor;
  }
  throw Error("INVALID_RUN", "The saved state has no valid entry '" + name + "': the run cannot be resumed from it.");
}

std::vector<NamedTensor> Trainer::state() const {
  auto tensors = learner_.tensors();
  for (auto& named : tensors) named.tensor = named.tensor.to(at::kCPU).clone();
  const int64_t best_epoch = best_ ? best_->epoch : -1;
  const auto adam_steps = static_cast<int64_t>(learner_.adam().steps.item<double>());
  tensors.push_back({"progress", at::tensor({epoch_, step_, adam_steps, best_epoch}, at::kLong)});
  tensors.push_back({"best_accuracy", at::tensor({best_ ? best_->accuracy.value_or(-1) : -1}, at::kDouble)});
  for (auto& sum : sums_.tensors()) tensors.push_back(std::move(sum));
  return tensors;
}

std::vector<NamedTensor> Trainer::network() const {
  const auto& target = learner_.problem().target;
  std::vector<NamedTensor> tensors;
  append_named(tensors, target.parameters, learner_.network_parameters());
  append_named(tensors, target.buffers, learner_.state().buffers);
  for (auto& named : tensors) named.tensor = named.tensor.to(at::kCPU).clone();
  return tensors;
}

void Trainer::restore(const Resume& resume) {
  const auto tensors = learner_.tensors();
  copy_by_name(named_specs(tensors), values(tensors), resume.state);
  const auto progress = state_entry(resume.state, "progress", 4, at::kLong).contiguous();
  const auto* counters = progress.const_data_ptr<int64_t>();
  const int64_t best_epoch = counters[3];
  epoch_ = counters[0];
  step_ = counters[1];
  learner_.adam().steps.fill_(counters[2]);
  const bool in_range = epoch_ >= 0 && epoch_ <= config_.epochs && step_ >= 0 && step_ <= batches_.steps() &&
                        counters[2] >= 0 && best_epoch >= -1 && best_epoch < config_.epochs;
  if (!in_range)
    throw Error("INVALID_RUN", "The saved state's position lies outside the run: it cannot be resumed from it.");
  sums_.restore(resume.state);
  if (best_epoch < 0) return;

  const double accuracy = state_entry(resume.state, "best_accuracy", 1, at::kDouble).item<double>();
  keep_best({best_epoch, accuracy >= 0 ? std::optional<double>(accuracy) : std::nullopt});
  const auto& target = learner_.problem().target;
  copy_by_name(target.parameters, best_parameters_, resume.best);
  copy_by_name(target.buffers, best_buffers_, resume.best);
}

}  // namespace l2t::run
