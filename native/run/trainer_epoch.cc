#include <ATen/ops/isfinite.h>

#include <cmath>

#include "native/core/error.h"
#include "native/run/trainer.h"

/// The end of an epoch: validation, and whether it is the best so far.
namespace l2t::run {

/// False where the run was asked to end during validation: a resumed run then validates again.
bool Trainer::finish_epoch() {
  log_.flush();
  EpochEvent event{};
  event.metrics = sums_.metrics();
  event.images_per_second = static_cast<double>(epoch_images_) / seconds_since(epoch_start_);
  // Until an epoch is validated, the last one is the best.
  event.best = !config_.select_best || !best_ || !best_->accuracy;
  if (const auto memory = backends::backend_for({device_}).memory(device_)) {
    event.gpu_memory = GpuMemory{memory->peak_allocated, memory->peak_reserved};
  }
  event.metrics.epoch = epoch_;
  event.metrics.lr = learning_rate(epoch_, batches_.steps() - 1);
  const auto done = epoch_ + 1;
  const bool due = done % config_.eval_every == 0 || done == config_.epochs;
  if (const auto& images = config_.validation; images && due) {
    const auto validation = evaluate_on(*images, "validation", learner_.network_parameters(), learner_.state().buffers);
    if (!validation) return false;
    event.metrics.validation_accuracy = validation->accuracy();
    // The loss overflows where the network is certain of wrong classes.
    if (std::isfinite(validation->loss)) event.metrics.validation_loss = validation->loss;
    event.best = !config_.select_best || !best_ || validation->accuracy() > best_->accuracy.value_or(-1);
  }
  require_finite_weights();
  require_same_state();
  if (event.best) keep_best({event.metrics.epoch, event.metrics.validation_accuracy});
  ++epoch_;
  step_ = 0;
  sums_.reset();
  if (reducer().first()) {
    event.network = network(learner_.network_parameters(), learner_.state().buffers);
    event.state = state();
    event.seconds = seconds_since(epoch_start_);
    event.steps = epoch_steps_;
    listener_.on_epoch(std::move(event));
  }
  last_save_ = Clock::now();
  return true;
}

/// The validations since the best epoch's are counted from the epochs alone, so a resumed run counts the same.
bool Trainer::out_of_patience() const {
  if (!config_.patience || !best_ || !best_->accuracy) return false;
  const auto every = config_.eval_every;
  return epoch_ / every - (best_->epoch + 1) / every >= *config_.patience;
}

void Trainer::keep_best(const Best& best) {
  best_ = best;
  const auto copies = [](std::vector<at::Tensor> tensors) {
    for (auto& tensor : tensors) tensor = tensor.clone();
    return tensors;
  };
  best_parameters_ = copies(learner_.network_parameters());
  best_buffers_ = copies(learner_.state().buffers);
}

std::optional<Evaluation> Trainer::evaluate_on(const data::ImageSet& images, const char* name,
                                               const std::vector<at::Tensor>& parameters,
                                               const std::vector<at::Tensor>& buffers,
                                               std::optional<int64_t> top) const {
  return evaluate(
      learner_.problem().target, parameters, buffers, {images, name, config_.evaluation_batch, decoder_, reducer()},
      config_.size, config_.normalisation, [this] { return listener_.stopped(); }, top);
}

/// A finite loss can still give an infinite step; such weights must not be saved.
void Trainer::require_finite_weights() {
  if (at::isfinite(learner_.state().theta.flat).all().item<bool>()) return;
  throw Error("DIVERGED", "The weights became NaN or infinite by step " + std::to_string(step_) + " of epoch " +
                              std::to_string(epoch_) + " (both counted from 0). Train with a lower {lr}.");
}

}  // namespace l2t::run
