#include "native/run/observe.h"

#include <ATen/ops/max.h>
#include <ATen/ops/min.h>

#include "native/core/device.h"
#include "native/core/error.h"
#include "native/core/threads.h"
#include "native/run/learner.h"

namespace l2t::run {
namespace {

const at::Tensor& find(const std::vector<NamedTensor>& tensors, const std::string& name) {
  for (const auto& entry : tensors) {
    if (entry.name == name) return entry.tensor;
  }
  throw Error("INVALID_OPTION", "The tensors have no entry " + name + ".");
}

std::vector<NamedTensor> without_prefix(const std::vector<NamedTensor>& tensors, const std::string& prefix) {
  std::vector<NamedTensor> result;
  for (const auto& [name, tensor] : tensors) {
    if (name.rfind(prefix, 0) == 0) result.push_back({name.substr(prefix.size()), tensor});
  }
  return result;
}

/// A job may come from a file or be made by hand; LibTorch's own messages for a wrong batch are no help.
void check_batch(const at::Tensor& x, const at::Tensor& y, int64_t classes) {
  if (x.dim() != 4 || x.size(0) < 1 || x.size(1) != 3 || x.size(2) != x.size(3) || !x.is_floating_point()) {
    throw Error("INVALID_OPTION", "x must be images: batch x 3 x size x size, of a float type.");
  }
  const bool fits = y.dim() == 1 && y.size(0) == x.size(0) && y.scalar_type() == at::kLong;
  if (!fits || y.min().item<int64_t>() < 0 || y.max().item<int64_t>() >= classes) {
    throw Error("INVALID_OPTION", "y must be a class of each image, int64, below " + std::to_string(classes) + ".");
  }
}

void fill(Learner& learner, const std::vector<NamedTensor>& tensors) {
  auto& state = learner.state();
  copy_by_name(state.theta.specs, state.theta.views, tensors);
  copy_by_name(state.theta.specs, views_of(state.velocity, state.theta.specs), tensors, "momentum.");
  copy_by_name(learner.problem().target.buffers, state.buffers, tensors, "target.");
  copy_by_name(learner.phi().specs, learner.phi().views, tensors);
}

void add_losses(const Iteration& iteration, const std::string& prefix, std::vector<NamedTensor>& out) {
  out.push_back({prefix + "loss/org", iteration.real.loss_org});
  if (iteration.real.loss_matching.defined()) out.push_back({prefix + "loss/wfm", iteration.real.loss_matching});
  const auto& real = iteration.real;
  if (real.loss_attention.defined()) out.push_back({prefix + "loss/at", real.loss_attention});
  if (real.loss_distillation.defined()) out.push_back({prefix + "loss/lwf", real.loss_distillation});
  if (!iteration.meta) return;
  for (size_t t = 0; t < iteration.meta->virtual_matching.size(); ++t) {
    out.push_back({prefix + "virtual/wfm" + std::to_string(t), iteration.meta->virtual_matching[t]});
  }
  out.push_back({prefix + "virtual/org", iteration.meta->virtual_org});
  out.push_back({prefix + "meta/objective", iteration.meta->objective});
}

void add_details(const Iteration& iteration, Learner& learner, std::vector<NamedTensor>& out) {
  const auto add_all = [&](const std::string& prefix, const std::vector<at::Tensor>& tensors) {
    for (size_t i = 0; i < tensors.size(); ++i) out.push_back({prefix + std::to_string(i), tensors[i]});
  };
  const auto add_flat = [&](const std::string& prefix, const at::Tensor& flat, const std::vector<TensorSpec>& specs) {
    const auto views = views_of(flat, specs);
    for (size_t i = 0; i < specs.size(); ++i) out.push_back({prefix + specs[i].name, views[i]});
  };
  add_all("w/", iteration.importance.w);
  add_all("lambda/", iteration.importance.lambda);
  out.push_back({"logits/target", iteration.real.activations.logits});
  add_all("target_feature/", iteration.real.activations.features);
  std::vector<at::Tensor> source_features;
  for (const auto& source : iteration.sources) {
    source_features.insert(source_features.end(), source.features.begin(), source.features.end());
  }
  if (!iteration.sources.empty()) out.push_back({"logits/source", iteration.sources[0].logits});
  add_all("source_feature/", source_features);
  if (!iteration.meta) return;
  add_flat("grad/", iteration.meta->phi_gradient, learner.phi().specs);
  add_flat("virtual_theta/", iteration.meta->virtual_theta, learner.state().theta.specs);
}

}  // namespace

std::vector<NamedTensor> observe(const ObserveConfig& config) {
  take_threads(config.threads);
  const auto options = at::TensorOptions().dtype(config.dtype).device(choose_device(config.device).device);
  auto sources = config.sources;
  for (size_t k = 0; k < sources.size(); ++k) {
    sources[k].weights =
        without_prefix(config.tensors, sources.size() == 1 ? "source." : "source." + std::to_string(k) + ".");
  }
  for (int k = 0; k < config.iterations; ++k) {
    const auto suffix = k == 0 ? std::string() : "@" + std::to_string(k);
    check_batch(find(config.tensors, "x" + suffix), find(config.tensors, "y" + suffix), config.target.classes);
  }
  const int64_t size = find(config.tensors, "x").size(-1);
  Learner learner(config.hyperparameters, config.target, size, sources, options, /*observe=*/true);
  fill(learner, config.tensors);

  std::vector<NamedTensor> out;
  for (int k = 0; k < config.iterations; ++k) {
    const auto suffix = k == 0 ? std::string() : "@" + std::to_string(k);
    const auto x = find(config.tensors, "x" + suffix).to(options).contiguous(at::MemoryFormat::ChannelsLast);
    const auto y = find(config.tensors, "y" + suffix).to(options.device());
    const auto iteration = learner.iterate(x, std::vector<at::Tensor>(sources.size(), x), y, config.hyperparameters.lr);
    add_losses(iteration, config.iterations == 1 ? "" : "iteration" + std::to_string(k) + "/", out);
    if (config.iterations == 1) add_details(iteration, learner, out);
  }
  const auto state = learner.tensors();
  out.insert(out.end(), state.begin(), state.end());
  return out;
}

}  // namespace l2t::run
