#include "native/run/learner.h"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "native/bilevel/native_engine.h"
#include "native/core/error.h"
#include "native/nets/initialise.h"
#include "native/oracle/autograd_engine.h"
#include "native/transfer/branches.h"
#include "native/transfer/distillation.h"

namespace l2t::run {
namespace {

transfer::Source load_source(const SourceConfig& config, const at::TensorOptions& options) {
  auto network = nets::make_network(config.network);
  auto parameters = make_parameters(network.parameters, options);
  auto buffers = nets::make_buffers(network, options);
  copy_by_name(network.parameters, parameters.views, config.weights);
  copy_by_name(network.buffers, buffers, config.weights);
  return {std::move(network), std::move(parameters.views), std::move(buffers)};
}

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

std::unique_ptr<bilevel::Engine> make_engine(const std::string& name, const bilevel::Problem& problem) {
  if (name == "native") return std::make_unique<bilevel::NativeEngine>(problem);
  if (name == "autograd") return std::make_unique<oracle::AutogradEngine>(problem);
  throw Error("INVALID_OPTION", "Unknown engine '" + name + "': use native or autograd.");
}

std::vector<TensorSpec> theta_specs(const bilevel::Problem& problem, const std::vector<transfer::Source>& sources) {
  std::vector<TensorSpec> specs;
  for (const auto& spec : problem.target.parameters) specs.push_back({"target." + spec.name, spec.shape});
  const auto add = [&](const std::vector<TensorSpec>& more) { specs.insert(specs.end(), more.begin(), more.end()); };
  if (problem.method.matches) add(transfer::branch_specs(sources, problem.target, problem.pairs));
  if (problem.method.distils) add(transfer::head_specs(sources.front(), problem.target));
  return specs;
}

}  // namespace

Learner::Learner(const Hyperparameters& hyperparameters, const nets::NetworkSpec& target, int64_t size,
                 const std::vector<SourceConfig>& sources, const at::TensorOptions& options, bool observe)
    : problem_{nets::make_network(target),
               transfer::method_named(hyperparameters.method),
               {},
               hyperparameters.beta,
               hyperparameters.attention_weight,
               {hyperparameters.distillation_weight, hyperparameters.temperature},
               hyperparameters.inner_steps,
               kernels::convolution_named(hyperparameters.convolution)},
      sgd_{hyperparameters.lr, hyperparameters.momentum, hyperparameters.weight_decay},
      adam_{hyperparameters.meta_lr, hyperparameters.meta_weight_decay},
      observe_(observe),
      engine_(make_engine(hyperparameters.engine, problem_)) {
  if (problem_.convolution == kernels::Convolution::kWinograd &&
      (hyperparameters.engine != "native" || !options.device().is_cpu())) {
    throw Error("INVALID_OPTION",
                "--convolution winograd is the native engine's on a CPU: use --engine native and "
                "--device cpu, or --convolution auto.");
  }
  for (const auto& config : sources) sources_.push_back(load_source(config, options));
  problem_.pairs = all_pairs(sources, sources_, problem_.target);
  require_what_method_needs();
  target_sizes_ = nets::feature_sizes(problem_.target, size);
  state_.theta = make_parameters(theta_specs(problem_, sources_), options);
  state_.velocity = at::zeros_like(state_.theta.flat);
  state_.buffers = nets::make_buffers(problem_.target, options);
  phi_ = make_parameters(
      transfer::meta_network_specs(problem_.method, transfer::source_channels(sources_, problem_.pairs)), options);
  adam_state_ = {at::zeros_like(phi_.flat), at::zeros_like(phi_.flat), 0};
}

Learner::~Learner() = default;

void Learner::require_what_method_needs() const {
  const auto& method = problem_.method;
  const auto refuse = [&](const char* what) {
    throw Error("INVALID_OPTION", std::string("Method ") + method.name + what);
  };
  if (method.has_pairs() && problem_.pairs.empty()) refuse(" needs a source and pairs.");
  if (!method.has_pairs() && !problem_.pairs.empty()) refuse(" matches no features: drop the pairs.");
  if (method.distils && sources_.empty()) refuse(" needs a source.");
}

void Learner::initialise(uint64_t seed) {
  const auto network = network_parameters();
  nets::initialise(problem_.target.initialisation, network, nets::seed_for(seed, Purpose::kTarget));
  const auto head = state_.theta.views.end() - (problem_.method.distils ? 2 : 0);
  const std::vector<at::Tensor> branches(state_.theta.views.begin() + static_cast<int64_t>(network.size()), head);
  if (problem_.method.matches) {
    nets::initialise(transfer::branch_initialisation(problem_.target, problem_.pairs), branches,
                     nets::seed_for(seed, Purpose::kBranches));
  }
  if (problem_.method.distils) {
    nets::initialise(transfer::head_initialisation(problem_.target), {head, state_.theta.views.end()},
                     nets::seed_for(seed, Purpose::kHead));
  }
  const auto channels = transfer::source_channels(sources_, problem_.pairs);
  nets::initialise(transfer::meta_network_initialisation(problem_.method, channels), phi_.views,
                   nets::seed_for(seed, Purpose::kMetaNetworks));
}

Iteration Learner::iterate(const at::Tensor& x, const std::vector<at::Tensor>& source_x, const at::Tensor& y,
                           double lr) {
  bilevel::Batch batch{x, y, {}, {}};
  auto result = real_step(batch, source_x, lr);
  if (problem_.method.bilevel()) {
    result.meta = engine_->meta_step(batch, sgd_, state_, phi_);
    bilevel::adam_step(phi_.flat, adam_state_, result.meta->phi_gradient, adam_);
    mark(problem_.phases, "phi-step");
  }
  return result;
}

Iteration Learner::real_step(const at::Tensor& x, const std::vector<at::Tensor>& source_x, const at::Tensor& y,
                             double lr) {
  bilevel::Batch batch{x, y, {}, {}};
  return real_step(batch, source_x, lr);
}

Iteration Learner::real_step(bilevel::Batch& batch, const std::vector<at::Tensor>& source_x, double lr) {
  sgd_.lr = lr;
  Iteration result;
  if (!sources_.empty()) {
    auto activations = transfer::source_activations(sources_, source_x);
    batch.maps = transfer::make_source_maps(activations, problem_.pairs, target_sizes_);
    batch.importance = transfer::importance(problem_.method, phi_.views, batch.maps.pooled);
    result.importance = batch.importance;
    mark(problem_.phases, "source");
    if (observe_) result.sources = std::move(activations);
  }
  result.real = engine_->real_step(batch, sgd_, state_);
  if (!observe_) result.real.activations.features.clear();
  mark(problem_.phases, "real");
  return result;
}

std::vector<at::Tensor> Learner::network_parameters() const {
  const auto count = static_cast<int64_t>(problem_.target.parameters.size());
  return {state_.theta.views.begin(), state_.theta.views.begin() + count};
}

std::vector<NamedTensor> Learner::tensors() const {
  std::vector<NamedTensor> result;
  const auto add = [&](const std::string& prefix, const std::vector<TensorSpec>& specs,
                       const std::vector<at::Tensor>& tensors) {
    for (size_t i = 0; i < specs.size(); ++i) result.push_back({prefix + specs[i].name, tensors[i]});
  };
  add("theta/", state_.theta.specs, state_.theta.views);
  add("momentum/", state_.theta.specs, views_of(state_.velocity, state_.theta.specs));
  add("buffer/target.", problem_.target.buffers, state_.buffers);
  add("phi/", phi_.specs, phi_.views);
  add("adam_mean/", phi_.specs, views_of(adam_state_.mean, phi_.specs));
  add("adam_square/", phi_.specs, views_of(adam_state_.square, phi_.specs));
  return result;
}

}  // namespace l2t::run
