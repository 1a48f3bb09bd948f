#include "test/native/observe/observe.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>

#include "native/core/device.h"
#include "native/core/error.h"
#include "native/core/threads.h"
#include "native/nets/forward.h"
#include "native/run/learner.h"
#include "native/transfer/source_maps.h"

namespace l2t::test {

using run::Iteration;
using run::Learner;
using run::SourceConfig;

namespace {

const at::Tensor& find(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const auto& entry : tensors) {
    if (entry.name == name) return entry.tensor;
  }
  throw Error("INVALID_OPTION", "The tensors have no entry " + name + ".");
}

bool has(const std::vector<NamedTensor>& tensors, const std::string& name) {
  return std::any_of(tensors.begin(), tensors.end(), [&](const NamedTensor& entry) { return entry.name == name; });
}

std::vector<NamedTensor> without_prefix(const std::vector<NamedTensor>& tensors, const std::string& prefix) {
  std::vector<NamedTensor> result;
  for (const auto& [name, tensor] : tensors) {
    if (name.rfind(prefix, 0) == 0) result.push_back({name.substr(prefix.size()), tensor});
  }
  return result;
}

void fill(Learner& learner, const std::vector<NamedTensor>& tensors) {
  auto& state = learner.state();
  const auto& layout = state.theta.layout;
  copy_by_name(layout.specs(), state.theta.views, tensors);
  copy_by_name(layout.specs(), layout.views(state.velocity), tensors, "momentum.");
  copy_by_name(learner.problem().target.buffers, state.buffers, tensors, "target.");
  copy_by_name(learner.phi().layout.specs(), learner.phi().views, tensors);
}

/// The ranks of this process's group, which is joined once.
const Reducer& reducer_of(const std::optional<GroupConfig>& config) {
  static std::shared_ptr<JoinedGroup> group;
  if (!config) return single_process();
  if (!group) group = join_group(*config);
  return *group;
}

/// Adds the whole batch's losses.
void add_losses(const Iteration& iteration, const Reducer& reducer, const std::string& prefix,
                std::vector<NamedTensor>& out) {
  const auto add = [&](const char* kind, const std::string& name, const at::Tensor& value) {
    const auto whole = value.clone();
    reducer.sum(whole);
    out.push_back({std::string(prefix).append(kind).append(name), whole});
  };
  for (const auto& [term, value] : iteration.real.losses) add("loss/", term, value);
  if (!iteration.meta) return;
  const auto& virtual_losses = iteration.meta->virtual_losses;
  for (size_t t = 0; t < virtual_losses.size(); ++t) {
    for (const auto& [term, value] : virtual_losses[t]) add("virtual/", term + std::to_string(t), value);
  }
  add("virtual/", terms::kCrossEntropy, iteration.meta->virtual_cross_entropy);
  add("meta/", "objective", iteration.meta->objective);
}

void add_details(const Iteration& iteration, Learner& learner, const SharedBatch& whole,
                 std::vector<NamedTensor>& out) {
  const auto rows = [&](const at::Tensor& tensor) { return whole.gather(tensor); };
  const auto add_all = [&](const std::string& prefix, const std::vector<at::Tensor>& tensors) {
    for (size_t i = 0; i < tensors.size(); ++i) out.push_back({prefix + std::to_string(i), rows(tensors[i])});
  };
  add_all("w/", iteration.importance.w);
  add_all("lambda/", iteration.importance.lambda);
  out.push_back({"logits/target", rows(iteration.real.activations.logits)});
  add_all("target_feature/", iteration.real.activations.features);
  std::vector<at::Tensor> source_features;
  for (const auto& source : iteration.sources) {
    source_features.insert(source_features.end(), source.features.begin(), source.features.end());
  }
  if (!iteration.sources.empty()) out.push_back({"logits/source", rows(iteration.sources[0].logits)});
  add_all("source_feature/", source_features);
  if (!iteration.meta) return;
  const auto& phi = learner.phi().layout;
  const auto& theta = learner.state().theta.layout;
  append_named(out, phi.specs(), phi.views(iteration.meta->phi_gradient), "grad/");
  append_named(out, theta.specs(), theta.views(iteration.meta->virtual_theta), "virtual_theta/");
}

/// A source that runs elsewhere, as the learner knows it.
nets::NetworkSpec elsewhere(const nets::NetworkSpec& spec, int64_t size) {
  const auto network = nets::make_network(spec);
  const auto sides = nets::feature_sizes(network, size);
  nets::NetworkSpec result{"onnx", spec.classes, 1, std::vector<nets::MapSpec>()};
  for (size_t n = 0; n < sides.size(); ++n) result.maps->push_back({network.features[n].channels, sides[n]});
  return result;
}

/// Returns the source's outputs for the images.
at::Tensor values_of(const transfer::Source& source, const at::Tensor& x) {
  const auto& [network, parameters, buffers] = source;
  const auto activations = nets::forward(network, parameters, buffers, x, nets::Statistics::kRunning);
  std::vector<at::Tensor> parts;
  for (const auto& map : activations.features) parts.push_back(map.contiguous(at::MemoryFormat::Contiguous).flatten());
  parts.push_back(activations.logits.flatten());
  return at::cat(parts);
}

}  // namespace

std::vector<NamedTensor> observe(const ObserveConfig& config) {
  if (config.dtype != "float32" && config.dtype != "float64")
    throw Error("INVALID_OPTION", "dtype must be float32 or float64.");
  take_threads(config.threads);
  const auto dtype = config.dtype == "float32" ? at::kFloat : at::kDouble;
  const auto options = at::TensorOptions().dtype(dtype).device(choose_device(config.device).device);
  const int64_t size = find(config.tensors, "x").size(-1);
  const bool runs_elsewhere = config.elsewhere.value_or(false);
  std::vector<SourceConfig> sources;
  std::vector<transfer::Source> loaded;  // to compute their maps here
  for (const auto& [network, pairs] : config.sources) {
    const auto prefix = config.sources.size() == 1 ? "source." : "source." + std::to_string(sources.size()) + ".";
    const auto weights = without_prefix(config.tensors, prefix);
    if (runs_elsewhere) loaded.push_back(transfer::load_source(nets::make_network(network), weights, options));
    sources.push_back({runs_elsewhere ? elsewhere(network, size) : network, pairs, weights, 0, {}});
    if (runs_elsewhere) sources.back().weights.clear();
  }
  const auto& reducer = reducer_of(config.group);
  Learner learner(config.hyperparameters, config.target, size, sources, options, /*observe=*/true, {&reducer});
  fill(learner, config.tensors);
  learner.start();

  const auto lr = at::scalar_tensor(config.lr, options.dtype(at::kDouble));
  // This rank's images: x and y, and unlabelled_x where there is one.
  const auto images_of = [&](const std::string& judge, const std::string& suffix) {
    const auto& y = find(config.tensors, judge + "y" + suffix);
    const auto [begin, end] = reducer.share(y.size(0));
    std::vector<at::Tensor> kinds{find(config.tensors, judge + "x" + suffix).slice(0, begin, end)};
    const auto unlabelled = judge + "unlabelled_x" + suffix;
    if (has(config.tensors, unlabelled)) kinds.push_back(find(config.tensors, unlabelled).slice(0, begin, end));
    return run::StepImages{at::cat(kinds).to(options).contiguous(at::MemoryFormat::ChannelsLast),
                           y.slice(0, begin, end).to(options.device()), y.size(0), static_cast<int64_t>(kinds.size())};
  };
  std::vector<NamedTensor> out;
  for (int k = 0; k < config.iterations; ++k) {
    const auto suffix = k == 0 ? std::string() : "@" + std::to_string(k);
    std::optional<run::StepImages> judge;
    if (has(config.tensors, "judge_x" + suffix)) {
      judge = images_of("judge_", suffix);
    }
    const auto images = images_of("", suffix);
    std::vector<at::Tensor> source_x(sources.size(), images.x);
    for (size_t source = 0; source < loaded.size(); ++source) source_x[source] = values_of(loaded[source], images.x);
    const auto iteration = learner.iterate(images, source_x, lr, judge);
    add_losses(iteration, reducer, config.iterations == 1 ? "" : "iteration" + std::to_string(k) + "/", out);
    if (config.iterations == 1) add_details(iteration, learner, {&reducer, images.all(), images.kinds}, out);
  }
  const auto state = learner.tensors();
  out.insert(out.end(), state.begin(), state.end());
  return out;
}

}  // namespace l2t::test
