#include <ATen/ops/tensor.h>

#include "native/core/error.h"
#include "native/run/trainer.h"

/// Saves and restores a run. Batches and crops are functions of (seed, epoch, step), so a run has no random state but
/// its position.
namespace l2t::run {
namespace {

/// FNV-1a of all bytes.
uint64_t checksum(const std::vector<NamedTensor>& tensors) {
  uint64_t sum = 14695981039346656037U;
  for (const auto& named : tensors) {
    const auto tensor = named.tensor.to(at::kCPU).contiguous();
    const auto* const bytes = static_cast<const uint8_t*>(tensor.const_data_ptr());
    for (size_t i = 0; i < tensor.nbytes(); ++i) sum = (sum ^ bytes[i]) * 1099511628211U;
  }
  return sum;
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
  const auto adam_steps = static_cast<int64_t>(learner_.meta_optimiser().steps().item<double>());
  tensors.push_back({"progress", at::tensor({epoch_, step_, adam_steps, best_epoch}, at::kLong)});
  tensors.push_back({"best_accuracy", at::tensor({best_ ? best_->accuracy.value_or(-1) : -1}, at::kDouble)});
  for (auto& sum : sums_.tensors()) tensors.push_back(std::move(sum));
  return tensors;
}

std::vector<NamedTensor> Trainer::network(Tensors parameters, Tensors buffers) const {
  std::vector<NamedTensor> tensors;
  append_named(tensors, learner_.problem().target.parameters, parameters);
  append_named(tensors, learner_.problem().target.buffers, buffers);
  for (auto& named : tensors) named.tensor = named.tensor.to(at::kCPU).clone();
  return tensors;
}

/// The updates of all ranks are the same numbers, so their states are: another checksum means a bug or a faulty
/// machine.
void Trainer::require_same_state() const {
  if (reducer().single()) return;
  const auto own = at::tensor({static_cast<int64_t>(checksum(learner_.tensors()))}, at::kLong);
  const auto all = reducer().gather(own, reducer().size());
  const auto* const sums = all.const_data_ptr<int64_t>();
  for (int rank = 1; rank < reducer().size(); ++rank) {
    if (sums[rank] == sums[0]) continue;
    throw Error("GROUP_FAILED", "The state of rank " + std::to_string(rank) + " differs from that of rank 0 at step " +
                                    std::to_string(step_) + " of epoch " + std::to_string(epoch_) +
                                    " (both counted from 0), so nothing more is saved. Resume from the last save; "
                                    "if it happens again, that machine is faulty, or this is a bug.");
  }
}

/// Gives all ranks the start, or the resumed state, of rank 0.
void Trainer::share_start() {
  if (reducer().single()) return;
  learner_.share_state();
  const auto progress =
      at::tensor({static_cast<double>(epoch_), static_cast<double>(step_),
                  best_ ? static_cast<double>(best_->epoch) : -1, best_ ? best_->accuracy.value_or(-1) : -1},
                 at::kDouble);
  reducer().broadcast(progress);
  const auto* const numbers = progress.const_data_ptr<double>();
  epoch_ = static_cast<int64_t>(numbers[0]);
  step_ = static_cast<int64_t>(numbers[1]);
  const auto sums = sums_.tensors();
  for (const auto& sum : sums) reducer().broadcast(sum.tensor);
  sums_.restore(sums);
  if (numbers[2] < 0) return;
  if (!best_) {
    keep_best({static_cast<int64_t>(numbers[2]), numbers[3] < 0 ? std::nullopt : std::optional<double>(numbers[3])});
  }
  for (const auto& tensor : best_parameters_) reducer().broadcast(tensor);
  for (const auto& tensor : best_buffers_) reducer().broadcast(tensor);
}

void Trainer::restore(const Resume& resume) {
  copy_by_name(learner_.tensors(), resume.state);
  const auto progress = state_entry(resume.state, "progress", 4, at::kLong).contiguous();
  const auto* counters = progress.const_data_ptr<int64_t>();
  const int64_t best_epoch = counters[3];
  epoch_ = counters[0];
  step_ = counters[1];
  learner_.meta_optimiser().steps().fill_(counters[2]);
  const bool in_range = epoch_ >= 0 && epoch_ <= config_.epochs && step_ >= 0 && step_ <= batches_.steps() &&
                        counters[2] >= 0 && best_epoch >= -1 && best_epoch < epoch_ &&
                        (best_epoch >= 0) == (epoch_ > 0);
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
