#include "native/run/learner.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/ScopeExit.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "native/bilevel/native_engine.h"
#include "native/core/error.h"
#include "native/nets/initialise.h"
#include "native/oracle/autograd_engine.h"

namespace l2t::run {
namespace {

std::vector<transfer::Pair> all_pairs(const std::vector<SourceConfig>& configs,
                                      const std::vector<transfer::Source>& sources, const nets::Network& target) {
  std::vector<transfer::Pair> pairs;
  for (size_t k = 0; k < configs.size(); ++k) {
    for (const auto& [m, n] : configs[k].pairs) {
      const auto in = [](int index, const nets::Network& network) {
        return index >= 0 && index < static_cast<int>(network.features.size());
      };
      if (!in(m, sources[k].network) || !in(n, target)) {
        throw Error("INVALID_OPTION",
                    "Pair " + std::to_string(m) + "-" + std::to_string(n) + " names a feature that does not exist.");
      }
      pairs.push_back({static_cast<int>(k), m, n});
    }
  }
  return pairs;
}

std::unique_ptr<bilevel::Engine> make_engine(const Hyperparameters& hyperparameters, const bilevel::Problem& problem) {
  if (hyperparameters.engine == EngineKind::kNative) return std::make_unique<bilevel::NativeEngine>(problem);
  return std::make_unique<oracle::AutogradEngine>(problem);
}

void require_class_weights(const std::vector<double>& weights, int64_t classes) {
  const bool valid = std::all_of(weights.begin(), weights.end(), [](double w) { return w >= 0 && std::isfinite(w); });
  if (valid && static_cast<int64_t>(weights.size()) == classes) return;
  throw Error("INVALID_OPTION",
              "classWeights must be " + std::to_string(classes) + " numbers, one for each class, none below 0.");
}

/// Requires a permutation of the first source's outputs.
void require_source_classes(std::vector<int64_t> outputs, const std::vector<transfer::Source>& sources) {
  const size_t classes = sources.empty() ? 0 : sources.front().network.classes;
  std::vector<int64_t> all(classes);
  std::iota(all.begin(), all.end(), 0);
  std::sort(outputs.begin(), outputs.end());
  if (classes > 0 && outputs == all) return;
  throw Error("INVALID_OPTION",
              "sourceClasses must name each of the first source's " + std::to_string(classes) + " outputs once.");
}

}  // namespace

Learner::Learner(const Hyperparameters& hyperparameters, const nets::NetworkSpec& target, int64_t size,
                 const std::vector<SourceConfig>& sources, const at::TensorOptions& options, bool observe,
                 const Sharing& sharing, const Decorate& decorate)
    : observe_(observe), engine_(make_engine(hyperparameters, problem_)) {
  problem_.reducer = sharing.reducer;
  problem_.local_norm = sharing.local_norm;
  problem_.target = nets::make_network(target);
  if (problem_.target.runs_elsewhere()) {
    throw Error("INVALID_OPTION", "The target must be a built-in network: an ONNX file can only be a source.");
  }
  const backends::Arithmetic arithmetic{options, hyperparameters.convolution, hyperparameters.precision,
                                        problem_.reducer->single(), hyperparameters.deterministic};
  problem_.backend = &backends::backend_for(arithmetic);
  backends::set_arithmetic(arithmetic);
  if (decorate) problem_.backend = &decorate(*problem_.backend);
  for (const auto& config : sources) {
    sources_.push_back(transfer::load_source(nets::make_network(config.network), config.weights, options));
  }
  problem_.pairs = all_pairs(sources, sources_, problem_.target);
  target_sizes_ = nets::feature_sizes(problem_.target, size);
  state_.buffers = nets::make_buffers(problem_.target, options);
  take_method(hyperparameters, options);
}

/// Makes what the method adds: the terms, with their part of θ, and the meta-networks.
void Learner::take_method(const Hyperparameters& hyperparameters, const at::TensorOptions& options) {
  const auto& method = terms::method_named(hyperparameters.method);
  const auto& settings = problem_.settings = Settings(hyperparameters.settings);
  terms::Setup setup(method, problem_.target, sources_, problem_.pairs, settings, options, *problem_.backend);
  problem_.cross_entropy = terms::make_term(terms::kCrossEntropy, setup);
  for (const auto& term : method.terms) problem_.added.push_back(terms::make_term(term, setup));
  setup.require_pairs_taken();
  state_.theta = make_parameters(setup.theta(), options);
  state_.velocity = at::zeros_like(state_.theta.flat);
  starts_ = setup.starts();
  sgd_ = {
      .lr = {}, .momentum = settings.at("momentum"), .weight_decay = method.decays ? settings.at("weightDecay") : 0};

  if (const auto& weights = hyperparameters.class_weights) {
    require_class_weights(*weights, problem_.target.classes);
    class_weights_ = at::tensor(*weights, at::kDouble).to(options);
  }
  if (const auto& outputs = hyperparameters.source_classes) {
    require_source_classes(*outputs, sources_);
    source_classes_ = at::tensor(*outputs, at::kLong).to(options.device());
  }
  std::vector<int> channels;  // C_m of every pair
  for (const auto& [source, m, n] : problem_.pairs) channels.push_back(sources_[source].network.features[m].channels);
  problem_.meta_networks = transfer::make_meta_networks(
      method.learned, channels, hyperparameters.lambda_init.value_or(transfer::LambdaInit::kPaper));
  phi_ = make_parameters(problem_.meta_networks.phi, options);
  meta_optimiser_ = std::make_unique<MetaOptimiser>(problem_.meta_networks, settings, phi_);
  if (bilevel()) {
    problem_.inner_steps = settings.count("innerSteps");
    meta_every_ = settings.count("metaEvery");
  }
}

void Learner::initialise(uint64_t seed) {
  for (const auto& start : starts_) {
    nets::initialise(start.initialisation, start.slice.of(state_.theta.views), nets::seed_for(seed, start.purpose));
  }
  nets::initialise(problem_.meta_networks.initialisation, phi_.views, nets::seed_for(seed, Purpose::kMetaNetworks));
}

void Learner::start() {
  for (auto* const term : problem_.all_terms()) term->start(state_.theta.views);
  meta_optimiser_->start();
}

Iteration Learner::iterate(const StepImages& images, const std::vector<at::Tensor>& source_x, const at::Tensor& lr,
                           const std::optional<StepImages>& judge, bool move_phi) {
  // Drops what the terms keep of the batch, also after a failure.
  const auto ended = c10::make_scope_exit([this] {
    for (auto* const term : problem_.all_terms()) term->end();
  });
  auto batch = begin(images, source_x);
  sgd_.lr = lr;
  Iteration result;
  result.importance = batch.importance;
  result.lambda_start =
      transfer::amounts(*problem_.backend, problem_.meta_networks, meta_optimiser_->phi_start(), batch.maps.pooled);
  if (observe_) result.sources = batch.sources;
  result.real = engine_->real_step(batch, sgd_, state_);
  if (problem_.local_norm) share_running_statistics(batch);
  if (!observe_) result.real.activations.features.clear();
  mark(problem_.phases, "real");
  if (bilevel() && move_phi) {
    result.meta = engine_->meta_step(batch, judge ? batch_of(*judge) : batch, sgd_, state_, phi_);
    meta_optimiser_->step(*problem_.backend, result.meta->phi_gradient);
    mark(problem_.phases, "phi-step");
  }
  return result;
}

bilevel::Batch Learner::batch_of(const StepImages& images) const {
  const auto& [x, y, labelled, kinds] = images;
  const auto weights = class_weights_.defined() ? at::index_select(class_weights_, 0, y) : at::Tensor();
  return {x, y, weights, {}, {}, {}, {problem_.reducer, images.all(), kinds}};
}

bilevel::Batch Learner::begin(const StepImages& images, const std::vector<at::Tensor>& source_x) {
  auto batch = batch_of(images);
  if (!sources_.empty()) {
    for (size_t k = 0; k < sources_.size(); ++k) {
      const auto& [network, parameters, buffers] = sources_[k];
      batch.sources.push_back(network.runs_elsewhere()
                                  ? nets::activations_from(network, source_x[k])
                                  : problem_.backend->infer(network, parameters, buffers, source_x[k]));
    }
    batch.maps = transfer::make_source_maps(batch.sources, problem_.pairs);
    if (source_classes_.defined()) batch.maps.logits = at::index_select(batch.maps.logits, 1, source_classes_);
    if (reads_resized()) batch.maps.resized = transfer::resized_maps(batch.sources, problem_.pairs, target_sizes_);
    batch.importance = transfer::importance(*problem_.backend, problem_.meta_networks, phi_.views, batch.maps.pooled);
    mark(problem_.phases, "source");
  }
  bool read_later = false;
  for (auto* const term : problem_.all_terms()) {
    term->begin(batch);
    read_later |= term->reads_sources() && engine_->reads_sources();
  }
  // Drops the sources' maps at their own size, which are large.
  if (!observe_ && !read_later) batch.sources.clear();
  return batch;
}

/// Checks whether anything reads the sources' maps at the target's sizes, which are larger than all others.
bool Learner::reads_resized() const {
  const auto terms = problem_.all_terms();
  return engine_->reads_resized() ||
         std::any_of(terms.begin(), terms.end(), [](const auto* term) { return term->reads_resized(); });
}

/// Gives all ranks the mean over the images of the statistics, which each rank moved by its own images.
void Learner::share_running_statistics(const bilevel::Batch& batch) {
  std::vector<at::Tensor> flat;
  for (const auto& buffer : state_.buffers) flat.push_back(buffer.flatten());
  const auto all = at::cat(flat) * (static_cast<double>(batch.x.size(0)) / static_cast<double>(batch.whole.images));
  problem_.reducer->sum(all);
  int64_t begin = 0;
  for (const auto& buffer : state_.buffers) {
    buffer.copy_(all.narrow(0, begin, buffer.numel()).view_as(buffer));
    begin += buffer.numel();
  }
}

void Learner::share_state() {
  const auto& reducer = *problem_.reducer;
  if (reducer.single()) return;
  for (const auto& vector : {state_.theta.flat, state_.velocity, phi_.flat, meta_optimiser_->steps()}) {
    reducer.broadcast(vector);
  }
  for (const auto& vector : meta_optimiser_->vectors()) reducer.broadcast(vector);
  for (const auto& buffer : state_.buffers) reducer.broadcast(buffer);
  for (const auto* const term : problem_.all_terms()) {
    for (const auto& constant : term->constants()) reducer.broadcast(constant.tensor);
  }
}

std::vector<at::Tensor> Learner::network_parameters() const {
  const auto target = state_.theta.layout.slice("target").of(state_.theta.views);
  return {target.begin(), target.end()};
}

std::vector<NamedTensor> Learner::tensors() const {
  std::vector<NamedTensor> result;
  const auto& theta = state_.theta.layout;
  const auto& phi = phi_.layout;
  append_named(result, theta.specs(), state_.theta.views, "theta/");
  append_named(result, theta.specs(), theta.views(state_.velocity), "momentum/");
  append_named(result, problem_.target.buffers, state_.buffers, "buffer/target.");
  append_named(result, phi.specs(), phi_.views, "phi/");
  for (auto& named : meta_optimiser_->tensors()) result.push_back(std::move(named));
  for (const auto* const term : problem_.all_terms()) {
    for (const auto& [name, tensor] : term->constants()) result.push_back({"constant/" + name, tensor});
  }
  return result;
}

}  // namespace l2t::run
