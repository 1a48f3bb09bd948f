#pragma once
#include <optional>
#include <string>
#include <vector>

#include "native/core/group.h"
#include "native/run/config.h"

namespace l2t::test {

struct ObserveConfig {
  run::Hyperparameters hyperparameters;
  nets::NetworkSpec target;
  std::vector<run::SourceSpec> sources;  // their weights are in `tensors`
  /// Named as in the fixtures: source.… (source.k.… where there are several), target.…, branch.i.…, weight_net.i.…,
  /// lambda_net.i.…, momentum.…, and x, y of iteration 0, x@k, y@k of iteration k.
  std::vector<NamedTensor> tensors;
  int iterations;
  double lr;
  std::string dtype;  // float32 or float64
  std::string device;
  int threads;
  /// The processes that share each batch; they all observe, in the same order.
  std::optional<GroupConfig> group;
  /// The sources run elsewhere, as ONNX files do: their maps are computed here, and given to the learner.
  std::optional<bool> elsewhere;

  static void fields(auto& self, auto&& visit) {
    run::Hyperparameters::fields(self.hyperparameters, visit);
    visit("classWeights", self.hyperparameters.class_weights);
    visit("sourceClasses", self.hyperparameters.source_classes);
    visit("lr", self.lr);
    visit("dtype", self.dtype);
    visit("device", self.device);
    visit("threads", self.threads, kThreads);
    visit("target", self.target);
    visit("sources", self.sources);
    visit("tensors", self.tensors);
    visit("iterations", self.iterations, Whole{1, 1000});
    visit("group", self.group);
    visit("elsewhere", self.elsewhere);
  }
};

/// Runs iterations from given tensors and returns every tensor that the fixtures name, in full. Activations, w, λ, ∇φ
/// and θ_{T+1} are returned only for a single iteration; with several, losses are named iteration{k}/….
std::vector<NamedTensor> observe(const ObserveConfig& config);

}  // namespace l2t::test
