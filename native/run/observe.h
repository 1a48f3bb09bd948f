#pragma once
#include <string>
#include <vector>

#include "native/run/config.h"

namespace l2t::run {

struct ObserveConfig {
  Hyperparameters hyperparameters;
  nets::NetworkSpec target;
  std::vector<SourceConfig> sources;  // their weights are empty: they are in `tensors`
  /// Named as in the fixtures: source.… (source.k.… where there are several), target.…, branch.i.…, weight_net.i.…,
  /// lambda_net.i.…, momentum.…, and x, y of iteration 0, x@k, y@k of iteration k.
  std::vector<NamedTensor> tensors;
  int iterations;
  at::ScalarType dtype;
  std::string device;
  int threads;
};

/// Runs iterations from given tensors and returns every tensor that the fixtures name, in full. Activations, w, λ, ∇φ
/// and θ_{T+1} are returned only for a single iteration; with several, losses are named iteration{k}/….
std::vector<NamedTensor> observe(const ObserveConfig& config);

}  // namespace l2t::run
