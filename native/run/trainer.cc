#include "native/run/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "native/backends/cuda/cuda.h"
#include "native/core/device.h"
#include "native/core/error.h"
#include "native/core/threads.h"

namespace l2t::run {
namespace {

data::ImageSet on_device(data::ImageSet images, c10::Device device) {
  if (images.resident()) images.pixels = images.pixels.to(device);
  images.labels = images.labels.to(device);
  return images;
}

std::optional<data::ImageSet> on_device(std::optional<data::ImageSet> images, c10::Device device) {
  if (images) *images = on_device(std::move(*images), device);
  return images;
}

std::vector<data::ToInput> source_inputs(const std::vector<SourceConfig>& sources, c10::Device device) {
  std::vector<data::ToInput> inputs;
  for (const auto& source : sources) inputs.emplace_back(source.size, source.normalisation, device);
  return inputs;
}

/// The oracle is never captured: it shall stay simple.
std::unique_ptr<backends::Graphs> graphs_for(const RunConfig& config, c10::Device device) {
  // The sums over ranks go through the host, which a graph cannot capture.
  const bool wanted = config.graph && config.hyperparameters.engine == EngineKind::kNative && config.reducer->single();
  return wanted ? backends::cuda::graphs(device) : nullptr;
}

bool other_judges(const RunConfig& config) { return config.meta_batch == MetaBatch::kOther; }

data::TrainingBatches::Options batch_options(const RunConfig& config) {
  return {config.augment, config.resized_crops, other_judges(config), config.batch,
          config.seed,    config.epochs,        config.reducer.get()};
}

Sharing sharing(const RunConfig& config) { return {config.reducer.get(), config.batch_norm == NormScope::kLocal}; }

/// With what the materials say of the hyperparameters.
RunConfig completed(RunConfig config) {
  config.hyperparameters.class_weights = std::move(config.class_weights);
  config.hyperparameters.source_classes = std::move(config.source_classes);
  if (config.meta_lr) config.hyperparameters.settings["metaLr"] = *config.meta_lr;
  return config;
}

void require_valid(const data::ImageSet& images, const char* set, int64_t classes) {
  if (images.count() == 0) {
    throw Error("INVALID_DATA", std::string("The ") + set + " set has no images: leave it out, or give some.");
  }
  const auto* const labels = images.labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < images.count(); ++i) {
    if (labels[i] >= 0 && labels[i] < classes) continue;
    throw Error("INVALID_DATA", "Image " + std::to_string(i) + " of the " + set + " set has label " +
                                    std::to_string(labels[i]) + ", but there are only " + std::to_string(classes) +
                                    " classes.");
  }
}

/// Checks the data, sets the calling thread's thread count and returns the device. A trainer does this first.
c10::Device prepare(const RunConfig& config) {
  const auto classes = config.target.classes;
  require_valid(config.train, "training", classes);
  if (config.validation) require_valid(*config.validation, "validation", classes);
  if (config.test) require_valid(*config.test, "test", classes);
  if (config.patience && !config.select_best) {
    throw Error("INVALID_OPTION", "patience counts from the best epoch: it needs selectBest.");
  }
  take_threads(config.threads);
  const auto device = choose_device(config.device).device;
  if (device.is_cuda()) backends::cuda::reset_peak_memory(device);
  return device;
}

}  // namespace

Trainer::Trainer(RunConfig config, Listener& listener, data::Decoder* decoder)
    : config_(completed(std::move(config))),
      listener_(listener),
      device_(prepare(config_)),
      learner_(config_.hyperparameters, config_.target, config_.size, config_.sources,
               at::TensorOptions().dtype(at::kFloat).device(device_), /*observe=*/false, sharing(config_)),
      decoder_(decoder),
      batches_(on_device(std::move(config_.train), device_), on_device(std::move(config_.unlabelled), device_),
               batch_options(config_), decoder),
      to_input_(config_.size, config_.normalisation, device_),
      to_source_input_(source_inputs(config_.sources, device_)),
      sums_(learner_.problem(), batches_.kinds()),
      uploads_(device_),
      log_(device_, [this](const LoggedStep& step, const at::Tensor& row) { record(step, row); }),
      iterate_(graphs_for(config_, device_), [this](Kind kind, const CapturedStep::Inputs& uploaded) {
        const auto [images, source_x, lr, judge] = input(uploaded, step_);
        return sums_.row(learner_.iterate(images, source_x, lr, judge, kind == Kind::kMeta), images.y);
      }) {
  config_.validation = on_device(std::move(config_.validation), device_);
  config_.test = on_device(std::move(config_.test), device_);
  require_enough_for_each_rank();
  if (config_.resume) {
    restore(*config_.resume);
  } else {
    start();
  }
  share_start();
  // These have been copied.
  for (auto& source : config_.sources) source.weights.clear();
  config_.target_weights.reset();
  config_.phi.reset();
  config_.resume.reset();
}

/// Batch norm of one image's 1 × 1 maps has no variance.
void Trainer::require_enough_for_each_rank() const {
  if (!learner_.problem().local_norm) return;
  for (int64_t k = 0; k < batches_.steps(); ++k) {
    if (batches_.labelled(k) / reducer().size() * batches_.kinds() >= 2) continue;
    throw Error("INVALID_OPTION",
                "{batchNorm=local} needs two images for each rank in every batch, but a batch of each "
                "epoch has " +
                    std::to_string(batches_.labelled(k)) + " images for " + std::to_string(reducer().size()) +
                    " ranks: use a larger {batch}, or {batchNorm=global}.");
  }
}

/// Initialises from the seed, then copies the target's weights where they are given.
void Trainer::start() {
  learner_.initialise(config_.seed);
  if (config_.target_weights) {
    const auto& target = learner_.problem().target;
    copy_by_name(target.parameters, learner_.network_parameters(), *config_.target_weights);
    copy_by_name(target.buffers, learner_.state().buffers, *config_.target_weights);
  }
  if (config_.phi) copy_by_name(learner_.phi().layout.specs(), learner_.phi().views, *config_.phi);
  learner_.start();
}

RunResult Trainer::run() {
  while (epoch_ < config_.epochs && !out_of_patience()) {
    epoch_start_ = Clock::now();
    epoch_images_ = 0;
    epoch_steps_ = 0;
    while (step_ < batches_.steps()) {
      if (!step()) return stop();
      save_when_due();
    }
    if (!finish_epoch()) return stop();
  }
  RunResult result{false, epoch_, best_, {}, {}};
  if (!reducer().first()) result.network = network(best_parameters_, best_buffers_);
  if (!config_.test) return result;
  result.test = evaluate_on(*config_.test, "test", best_parameters_, best_buffers_, config_.top);
  return result.test ? result : stop();
}

/// Ends the run early: saves its state, from which it can be resumed.
RunResult Trainer::stop() {
  save();
  return {/*stopped=*/true, epoch_, best_, {}, {}};
}

void Trainer::save() {
  log_.flush();
  require_finite_weights();
  require_same_state();
  if (reducer().first()) listener_.on_save({state()});
}

void Trainer::try_rates(const std::vector<double>& rates) {
  const auto steps = static_cast<int64_t>(rates.size());
  for (int64_t k = 0; k < steps; ++k) {
    const auto step = k % batches_.steps();
    const auto uploaded = upload(k / batches_.steps(), step, rates[k], Kind::kReal);
    if (!agreed(uploaded.has_value()) || !uploaded) return;
    const auto [images, source_x, lr, judge] = input(*uploaded, step);
    const auto real_step = [&] {
      return sums_.row(learner_.iterate(images, source_x, lr, judge, /*move_phi=*/false), images.y);
    };
    StepEvent event{};
    bool finite = true;
    try {
      event = sums_.add(within_memory(images.labelled, real_step).cpu(), images.labelled, /*meta=*/false);
    } catch (const NotFinite&) {
      finite = false;
      event.losses = {{terms::kCrossEntropy, std::numeric_limits<double>::infinity()}};
    }
    event.step = k + 1;
    event.steps = steps;
    if (reducer().first()) listener_.on_trial(event);
    if (!finite) return;
  }
}

std::optional<CapturedStep::Inputs> Trainer::upload(int64_t epoch, int64_t step, double lr, Kind kind) {
  CapturedStep::Inputs uploaded;
  if (listener_.stopped()) return std::nullopt;
  if (!upload(batches_.prepare(epoch, step, lr), uploaded)) return std::nullopt;
  const bool judge = other_judges(config_) && kind == Kind::kMeta;
  if (judge && !upload(batches_.prepare_next(epoch, step), uploaded)) return std::nullopt;
  return uploaded;
}

bool Trainer::upload(const std::optional<data::StepInput>& host, CapturedStep::Inputs& uploaded) {
  if (!host) return false;
  uploaded.push_back(uploads_.upload(host->plan));
  if (host->pixels.defined()) uploaded.push_back(uploads_.upload(host->pixels));
  return true;
}

/// A batch as the networks read it.
Trainer::Input Trainer::input(const CapturedStep::Inputs& uploaded, int64_t step) const {
  const size_t each = batches_.resident() ? 1 : 2;
  const auto at = [&](size_t first) {
    return data::StepInput{uploaded[first], each > 1 ? uploaded[first + 1] : at::Tensor()};
  };
  const auto [pixels, y] = batches_.batch(at(0));
  Input batch{{to_input_(pixels), y, batches_.labelled(step), batches_.kinds()},
              {},
              data::TrainingBatches::learning_rate(at(0)),
              {}};
  for (const auto& to_source_input : to_source_input_) batch.source_x.push_back(to_source_input(pixels));
  if (uploaded.size() > each) {
    const auto [judge, labels] = batches_.batch(at(each));
    batch.judge = {to_input_(judge), labels, batches_.labelled((step + 1) % batches_.steps()), batches_.kinds()};
  }
  return batch;
}

/// One iteration of method.md on the next batch; false where the run was asked to end, or decoding was stopped.
bool Trainer::step() {
  const auto kind = learner_.moves_phi(epoch_ * batches_.steps() + step_) ? Kind::kMeta : Kind::kReal;
  const auto uploaded = upload(epoch_, step_, learning_rate(step_), kind);
  if (!agreed(uploaded.has_value())) return false;
  const LoggedStep logged{epoch_, step_, batches_.labelled(step_), kind == Kind::kMeta};
  log_.add(logged, within_memory(logged.images, [&] { return iterate_.run(kind, *uploaded); }));
  epoch_images_ += logged.images;
  ++epoch_steps_;
  ++step_;
  return true;
}

/// Adds a step's numbers to the epoch's, and says them.
void Trainer::record(const LoggedStep& step, const at::Tensor& row) {
  try {
    auto event = sums_.add(row, step.images, step.meta);
    event.epoch = step.epoch;
    event.step = step.step + 1;
    event.steps = batches_.steps();
    if (reducer().first()) listener_.on_step(event);
  } catch (const NotFinite& problem) {
    throw Error("DIVERGED", std::string(problem.what()) + " at step " + std::to_string(step.step) + " of epoch " +
                                std::to_string(step.epoch) +
                                " (both counted from 0). Train with a lower {lr} or {metaLr}.");
  }
}

double Trainer::seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void Trainer::save_when_due() {
  // After its last step the epoch is saved anyway.
  if (step_ == batches_.steps()) return;
  // Clocks differ: the first rank's counts.
  const bool due = reducer().first() && seconds_since(last_save_) >= config_.save_every;
  if (agreed(!due)) return;
  save();
  last_save_ = Clock::now();
}

/// α_e = m + (α − m)/2 · (1 + cos(π e/E)), constant within an epoch, where m is minLr, but at most α; with a
/// warm-up of W steps, step k of the run (from 0) takes min(1, (k + 1) / W) of it.
double Trainer::learning_rate(int64_t step) const {
  const double progress = static_cast<double>(epoch_) / static_cast<double>(config_.epochs);
  const double end = std::min(learner_.problem().settings.at("minLr"), config_.lr);
  const double scheduled = end + (config_.lr - end) / 2 * (1 + std::cos(std::numbers::pi * progress));
  const double warm = std::round(config_.warm_up.value_or(0) * static_cast<double>(config_.epochs * batches_.steps()));
  const auto done = static_cast<double>(epoch_ * batches_.steps() + step + 1);
  return done < warm ? scheduled * done / warm : scheduled;
}

}  // namespace l2t::run
