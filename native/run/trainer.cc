#include "native/run/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

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
  return wanted ? backends::backend_for({device}).graphs(device) : nullptr;
}

bool other_judges(const RunConfig& config) { return config.meta_batch == MetaBatch::kOther; }

data::TrainingBatches::Options batch_options(const RunConfig& config) {
  return {config.augment, config.resized_crops, other_judges(config), config.batch,
          config.seed,    config.epochs,        config.reducer.get()};
}

Sharing sharing(const RunConfig& config) { return {config.reducer.get(), config.batch_norm == NormScope::kLocal}; }

/// Moves the hyperparameters that the materials hold to their place.
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
c10::Device check_and_choose_device(const RunConfig& config) {
  const auto classes = config.target.classes;
  require_valid(config.train, "training", classes);
  if (config.validation) require_valid(*config.validation, "validation", classes);
  if (config.test) require_valid(*config.test, "test", classes);
  if (config.patience && !config.select_best) {
    throw Error("INVALID_OPTION", "patience counts from the best epoch: it needs selectBest.");
  }
  take_threads(config.threads);
  const auto device = choose_device(config.device).device;
  backends::backend_for({device}).reset_peak_memory(device);
  return device;
}

}  // namespace

Trainer::Trainer(RunConfig config, Listener& listener, data::Decoder* decoder, SourceRunner* runner)
    : config_(completed(std::move(config))),
      listener_(listener),
      device_(check_and_choose_device(config_)),
      learner_(config_.hyperparameters, config_.target, config_.size, config_.sources,
               at::TensorOptions().dtype(at::kFloat).device(device_), /*observe=*/false, sharing(config_)),
      decoder_(decoder),
      runner_(runner),
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
  for (size_t k = 0; k < learner_.sources().size(); ++k) {
    if (learner_.sources()[k].network.runs_elsewhere()) elsewhere_.push_back(k);
  }
  if (config_.resume) {
    restore(*config_.resume);
  } else {
    start();
  }
  share_start();
  // The learner has copied these.
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

TrainerResult Trainer::run() {
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
  TrainerResult result{false, epoch_, best_, {}, {}};
  if (!reducer().first()) result.network = network(best_parameters_, best_buffers_);
  if (!config_.test) return result;
  result.test = evaluate_on(*config_.test, "test", best_parameters_, best_buffers_, config_.top);
  return result.test ? result : stop();
}

/// Ends the run early: saves its state, from which it can be resumed.
TrainerResult Trainer::stop() {
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
    auto prepared = prepare(k / batches_.steps(), step, rates[k], Kind::kReal);
    const bool ready = prepared && complete(*prepared);
    if (!agreed(ready) || !ready) return;
    const auto [images, source_x, lr, judge] = input(prepared->inputs, step);
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

Trainer::Kind Trainer::kind_of(int64_t epoch, int64_t step) const {
  return learner_.moves_phi(epoch * batches_.steps() + step) ? Kind::kMeta : Kind::kReal;
}

std::optional<Trainer::Prepared> Trainer::prepare(int64_t epoch, int64_t step) {
  return prepare(epoch, step, learning_rate(epoch, step), kind_of(epoch, step));
}

std::optional<Trainer::Prepared> Trainer::prepare(int64_t epoch, int64_t step, double lr, Kind kind) {
  Prepared prepared;
  if (listener_.stopped()) return std::nullopt;
  if (!upload(batches_.prepare(epoch, step, lr), prepared.inputs)) return std::nullopt;
  const bool judge = other_judges(config_) && kind == Kind::kMeta;
  if (judge && !upload(batches_.prepare_next(epoch, step), prepared.inputs)) return std::nullopt;
  if (!elsewhere_.empty()) request_sources(prepared);
  return prepared;
}

void Trainer::request_sources(Prepared& prepared) {
  const auto pixels = batches_.batch(step_input(prepared.inputs, 0)).pixels;
  for (const auto k : elsewhere_) {
    const auto images = to_source_input_[k](pixels).to(at::kCPU).contiguous(at::MemoryFormat::Contiguous);
    const auto values = images.size(0) * nets::values_per_image(learner_.sources()[k].network);
    prepared.tickets.push_back(runner_->request({static_cast<int64_t>(k), images, values, device_}));
  }
}

bool Trainer::complete(Prepared& prepared) {
  for (const auto ticket : prepared.tickets) {
    const auto values = runner_->take(ticket);
    if (!values.defined()) return false;
    prepared.inputs.push_back(uploads_.upload(values));
  }
  return true;
}

std::optional<Trainer::Prepared> Trainer::next_step() {
  auto now = std::exchange(ahead_, std::nullopt);
  if (!now) now = prepare(epoch_, step_);
  if (!now || !complete(*now)) return std::nullopt;
  if (elsewhere_.empty()) return now;
  const bool last = step_ + 1 == batches_.steps();
  if (!last || epoch_ + 1 < config_.epochs) ahead_ = prepare(last ? epoch_ + 1 : epoch_, last ? 0 : step_ + 1);
  return now;
}

bool Trainer::upload(const std::optional<data::StepInput>& host, CapturedStep::Inputs& uploaded) {
  if (!host) return false;
  uploaded.push_back(uploads_.upload(host->plan));
  if (host->pixels.defined()) uploaded.push_back(uploads_.upload(host->pixels));
  return true;
}

/// Returns the input of the step itself, k = 0, or of the batch that judges φ, k = 1.
data::StepInput Trainer::step_input(const CapturedStep::Inputs& uploaded, size_t k) const {
  return batches_.resident() ? data::StepInput{uploaded[k], {}} : data::StepInput{uploaded[2 * k], uploaded[2 * k + 1]};
}

/// Returns a batch as the networks read it.
Trainer::Input Trainer::input(const CapturedStep::Inputs& uploaded, int64_t step) const {
  const auto step_plan = step_input(uploaded, 0);
  const auto [pixels, y] = batches_.batch(step_plan);
  Input batch{{to_input_(pixels), y, batches_.labelled(step), batches_.kinds()},
              {},
              data::TrainingBatches::learning_rate(step_plan),
              {}};
  const auto prepared = uploaded.size() - elsewhere_.size();
  auto output = uploaded.begin() + static_cast<std::ptrdiff_t>(prepared);
  for (size_t k = 0; k < to_source_input_.size(); ++k) {
    const bool elsewhere = learner_.sources()[k].network.runs_elsewhere();
    batch.source_x.push_back(elsewhere ? *output++ : to_source_input_[k](pixels));
  }
  if (prepared > (batches_.resident() ? 1 : 2)) {
    const auto [judge, labels] = batches_.batch(step_input(uploaded, 1));
    batch.judge = {to_input_(judge), labels, batches_.labelled((step + 1) % batches_.steps()), batches_.kinds()};
  }
  return batch;
}

/// One iteration of method.md on the next batch; false where the run was asked to end, or decoding was stopped.
bool Trainer::step() {
  const auto kind = kind_of(epoch_, step_);
  const auto prepared = next_step();
  if (!agreed(prepared.has_value())) return false;
  const LoggedStep logged{epoch_, step_, batches_.labelled(step_), kind == Kind::kMeta};
  log_.add(logged, within_memory(logged.images, [&] { return iterate_.run(kind, prepared->inputs); }));
  epoch_images_ += logged.images;
  ++epoch_steps_;
  ++step_;
  return true;
}

/// Adds a step's numbers to the epoch's, and reports them.
void Trainer::record(const LoggedStep& step, const at::Tensor& row) {
  try {
    auto event = sums_.add(row, step.images, step.meta);
    event.epoch = step.epoch;
    event.step = step.step + 1;
    event.steps = batches_.steps();
    if (reducer().first()) listener_.on_step(event);
  } catch (const NotFinite& problem) {
    const std::string rates = learner_.problem().meta_networks.learned.any() ? "{lr} or {metaLr}" : "{lr}";
    throw Error("DIVERGED", std::string(problem.what()) + " at step " + std::to_string(step.step) + " of epoch " +
                                std::to_string(step.epoch) + " (both counted from 0). Train with a lower " + rates +
                                ".");
  }
}

double Trainer::seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void Trainer::save_when_due() {
  // After its last step the epoch is saved anyway.
  if (step_ == batches_.steps()) return;
  // Clocks differ between ranks, so the first rank decides.
  const bool due = reducer().first() && seconds_since(last_save_) >= config_.save_every;
  if (agreed(!due)) return;
  save();
  last_save_ = Clock::now();
}

/// α_e = m + (α − m)/2 · (1 + cos(π e/E)), constant within an epoch, where m is minLr, but at most α; with a
/// warm-up of W steps, step k of the run (from 0) takes min(1, (k + 1) / W) of it.
double Trainer::learning_rate(int64_t epoch, int64_t step) const {
  const double progress = static_cast<double>(epoch) / static_cast<double>(config_.epochs);
  const double end = std::min(learner_.problem().settings.at("minLr"), config_.lr);
  const double scheduled = end + (config_.lr - end) / 2 * (1 + std::cos(std::numbers::pi * progress));
  const double warm = std::round(config_.warm_up.value_or(0) * static_cast<double>(config_.epochs * batches_.steps()));
  const auto done = static_cast<double>(epoch * batches_.steps() + step + 1);
  return done < warm ? scheduled * done / warm : scheduled;
}

}  // namespace l2t::run
