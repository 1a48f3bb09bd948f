#include <cstdio>
#include <set>

#include "test/native/device/compare.h"
#include "test/native/device/counts.h"
#include "test/native/device/fake_device.h"
#include "test/native/device/json.h"
#include "test/native/device/learners.h"

namespace l2t::test {

using backends::Convolution;
namespace {

/// Which iteration is counted: by then whatever is made once has been made.
constexpr int64_t kIterations = 3;

/// All that an iteration hands back.
std::vector<NamedTensor> results_of(const run::Iteration& iteration) {
  std::vector<NamedTensor> results;
  const auto add_all = [&](const std::string& prefix, const std::vector<at::Tensor>& tensors) {
    for (size_t i = 0; i < tensors.size(); ++i) results.push_back({prefix + std::to_string(i), tensors[i]});
  };
  for (const auto& [term, loss] : iteration.real.losses) results.push_back({"loss/" + term, loss});
  results.push_back({"logits/target", iteration.real.activations.logits});
  add_all("w/", iteration.importance.w);
  add_all("lambda/", iteration.importance.lambda);
  if (!iteration.meta) return results;
  for (const auto& losses : iteration.meta->virtual_losses) {
    for (const auto& [term, loss] : losses) results.push_back({"virtual/" + term, loss});
  }
  results.push_back({"virtual/last", iteration.meta->virtual_cross_entropy});
  results.push_back({"objective/target", iteration.meta->objective});
  results.push_back({"grad/phi", iteration.meta->phi_gradient});
  results.push_back({"virtual_theta/theta", iteration.meta->virtual_theta});
  return results;
}

std::vector<NamedTensor> all_of(const run::Learner& learner, const run::Iteration& iteration) {
  auto tensors = learner.tensors();
  const auto results = results_of(iteration);
  tensors.insert(tensors.end(), results.begin(), results.end());
  return tensors;
}

/// A learner that goes on from a saved state of another.
std::unique_ptr<run::Learner> resumed(std::unique_ptr<run::Learner> fresh, const std::vector<NamedTensor>& state,
                                      const at::Tensor& adam_steps) {
  std::vector<TensorSpec> specs;
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : fresh->tensors()) {
    specs.push_back({name, tensor.sizes().vec()});
    tensors.push_back(tensor);
  }
  copy_by_name(specs, tensors, state);
  fresh->meta_optimiser().steps().copy_(adam_steps);
  return fresh;
}

class Check {
 public:
  Check(const Training& training, run::EngineKind engine, Convolution convolution)
      : training_(training), engine_(engine), convolution_(convolution) {}

  [[nodiscard]] JsonObject run() const {
    const auto host = make_learner(training_, engine_, Convolution::kDirect, at::kCPU);
    const auto device = make_learner(training_, engine_, convolution_, fake_device());
    JsonObject result;
    result.add("engine", std::string(name_of(engine_))).add("backend", std::string(device->problem().backend->name()));
    result.add("start", unequal(host->tensors(), device->tensors()));
    std::vector<NamedTensor> truth;
    std::vector<NamedTensor> tensors;
    for (int64_t k = 0; k < kIterations; ++k) {
      truth = all_of(*host, iterate(*host, batch_of(training_, k, at::kCPU)));
      const auto batch = batch_of(training_, k, fake_device());
      reset_counts();
      const auto iteration = iterate(*device, batch);
      if (k + 1 == kIterations) result.add("counts", counts());
      tensors = all_of(*device, iteration);
    }
    const auto [difference, tensor] = largest_difference(truth, tensors);
    result.add("difference", difference).add("tensor", tensor).add("elsewhere", elsewhere(tensors));
    return result.add("resumed", unequal_after_resume(*device));
  }

 private:
  /// Saves, resumes in another learner, trains both for one iteration more.
  [[nodiscard]] std::vector<std::string> unequal_after_resume(run::Learner& learner) const {
    const auto other = resumed(make_learner(training_, engine_, convolution_, fake_device()),
                               on_host(learner.tensors()), learner.meta_optimiser().steps());
    const auto batch = batch_of(training_, kIterations, fake_device());
    const auto iteration = iterate(learner, batch);
    const auto same = iterate(*other, batch);
    return unequal(all_of(learner, iteration), all_of(*other, same));
  }

  const Training& training_;
  run::EngineKind engine_;
  Convolution convolution_;
};

}  // namespace

std::string train(const Words& words) {
  const auto training = training_of(words);
  std::vector<JsonObject> results;
  for (const auto engine : {run::EngineKind::kNative, run::EngineKind::kAutograd}) {
    std::set<std::string> backends;
    for (const auto convolution : {Convolution::kDirect, Convolution::kAuto}) {
      const auto options = at::TensorOptions(fake_device()).dtype(training.type);
      if (!backends.insert(backends::backend_for({options, convolution}).name()).second) continue;
      results.push_back(Check(training, engine, convolution).run());
    }
  }
  return json(results);
}

}  // namespace l2t::test
