#include "native/run/trainer.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <numbers>

#include "native/core/device.h"
#include "native/core/error.h"
#include "native/core/threads.h"

namespace l2t::run {
namespace {

constexpr int64_t kEvaluationBatch = 256;

void move_to(data::ImageSet& images, c10::Device device) {
  images.pixels = images.pixels.to(device);
  images.labels = images.labels.to(device);
}

/// The device, once the calling thread has its thread count: the first thing a trainer does.
c10::Device prepare(const RunConfig& config) {
  set_threads(config.threads);
  return choose_device(config.device).device;
}

}  // namespace

Trainer::Trainer(RunConfig config, Listener& listener)
    : config_(std::move(config)),
      listener_(listener),
      device_(prepare(config_)),
      learner_(config_.hyperparameters, config_.target, config_.size, config_.sources,
               at::TensorOptions().dtype(at::kFloat).device(device_), /*observe=*/false),
      sampler_(config_.train.count(), config_.train.size(), config_.batch, config_.seed),
      sums_(learner_.problem().method, learner_.problem().pairs) {
  move_to(config_.train, device_);
  if (config_.validation) move_to(*config_.validation, device_);
  if (config_.test) move_to(*config_.test, device_);
  padded_ = data::pad_images(config_.train.pixels, data::crop_padding(config_.train.size()));
  if (config_.resume) {
    restore(*config_.resume);
    return;
  }
  learner_.initialise(config_.seed);
  if (!config_.target_weights.empty()) {
    const auto& target = learner_.problem().target;
    copy_by_name(target.parameters, learner_.network_parameters(), config_.target_weights);
    copy_by_name(target.buffers, learner_.state().buffers, config_.target_weights);
  }
}

RunResult Trainer::run() {
  while (epoch_ < config_.epochs) {
    epoch_start_ = Clock::now();
    if (!train_epoch()) {
      require_finite_weights();
      listener_.on_save(state());
      return {/*stopped=*/true, best_, {}};
    }
    finish_epoch();
  }
  RunResult result{false, best_, {}};
  if (config_.test) result.test = evaluate_on(*config_.test, best_parameters_, best_buffers_);
  return result;
}

/// False where the run was asked to end before the epoch's last step.
bool Trainer::train_epoch() {
  while (step_ < sampler_.steps()) {
    if (listener_.stopped()) return false;
    StepEvent event = step();
    event.epoch = epoch_;
    event.step = ++step_;
    event.steps = sampler_.steps();
    listener_.on_step(event);
    save_when_due();
  }
  return true;
}

/// One iteration of method.md on the next batch.
StepEvent Trainer::step() {
  const auto positions = sampler_.positions(epoch_, step_);
  const auto rows = at::index_select(config_.train.indices, 0, at::tensor(positions, at::kLong)).to(device_);
  const auto pixels = data::gather_crops(padded_, config_.train.size(), rows, sampler_.crops(epoch_, step_));
  const auto x = data::to_input(pixels, config_.size, config_.normalisation);
  const auto y = at::index_select(config_.train.labels, 0, rows);
  std::vector<at::Tensor> source_x;
  for (const auto& source : config_.sources)
    source_x.push_back(data::to_input(pixels, source.size, source.normalisation));
  const auto iteration = learner_.iterate(x, source_x, y, learning_rate());
  try {
    return sums_.add(iteration, y);
  } catch (const NotFinite& problem) {
    throw Error("DIVERGED", std::string(problem.what()) + " at step " + std::to_string(step_) + " of epoch " +
                                std::to_string(epoch_) + " (both counted from 0). The last good checkpoint is kept; " +
                                "train with a lower --lr or --meta-lr.");
  }
}

void Trainer::finish_epoch() {
  EpochEvent event{sums_.metrics(), 0, true, {}, {}};
  event.metrics.epoch = epoch_;
  event.metrics.lr = learning_rate();
  if (config_.validation) {
    const auto validation = evaluate_on(*config_.validation, learner_.network_parameters(), learner_.state().buffers);
    event.metrics.validation_accuracy = validation.accuracy();
    event.metrics.validation_loss = validation.loss;
    event.best = !best_ || validation.accuracy() > best_->accuracy.value_or(-1);
  }
  require_finite_weights();
  if (event.best) keep_best(event.metrics);
  ++epoch_;
  step_ = 0;
  sums_.reset();
  event.network = network();
  event.state = state();
  event.seconds = std::chrono::duration<double>(Clock::now() - epoch_start_).count();
  listener_.on_epoch(std::move(event));
  last_save_ = Clock::now();
}

void Trainer::keep_best(const EpochMetrics& metrics) {
  best_ = Best{metrics.epoch, metrics.validation_accuracy};
  const auto copies = [](std::vector<at::Tensor> tensors) {
    for (auto& tensor : tensors) tensor = tensor.clone();
    return tensors;
  };
  best_parameters_ = copies(learner_.network_parameters());
  best_buffers_ = copies(learner_.state().buffers);
}

void Trainer::save_when_due() {
  // The epoch's last step is followed by the epoch's own save.
  if (step_ == sampler_.steps()) return;
  if (std::chrono::duration<double>(Clock::now() - last_save_).count() < config_.save_every) return;
  require_finite_weights();
  listener_.on_save(state());
  last_save_ = Clock::now();
}

/// α_e = α/2 · (1 + cos(π e/E)), constant within an epoch.
double Trainer::learning_rate() const {
  const double progress = static_cast<double>(epoch_) / static_cast<double>(config_.epochs);
  return config_.hyperparameters.lr / 2 * (1 + std::cos(std::numbers::pi * progress));
}

Evaluation Trainer::evaluate_on(const data::ImageSet& images, const std::vector<at::Tensor>& parameters,
                                const std::vector<at::Tensor>& buffers) const {
  // Not stoppable: an epoch is finished as a whole, and a test is short.
  const auto never = [] { return false; };
  return evaluate(learner_.problem().target, parameters, buffers, images, config_.size, config_.normalisation,
                  kEvaluationBatch, never);
}

/// A finite loss can still give an infinite step: such weights must not reach a checkpoint.
void Trainer::require_finite_weights() {
  if (at::isfinite(learner_.state().theta.flat).all().item<bool>()) return;
  throw Error("DIVERGED", "The weights became NaN or infinite by step " + std::to_string(step_) + " of epoch " +
                              std::to_string(epoch_) + " (both counted from 0). The last good checkpoint is kept; " +
                              "train with a lower --lr.");
}

}  // namespace l2t::run
