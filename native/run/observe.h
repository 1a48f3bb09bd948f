#pragma once
#include <string>
#include <vector>

#include "native/run/config.h"

namespace l2t::run {

struct ObserveConfig {
  Hyperparameters hyperparameters;
  nets::NetworkSpec target;
  std::vector<SourceConfig> sources;  // weights empty: they are in `tensors`
  /// Named as the fixtures: source.… (source.k.… where there are several), target.…, branch.i.…, weight_net.i.…,
  /// lambda_net.i.…, momentum.…, and x, y of iteration 0, x@k, y@k of iteration k.
  std::vector<NamedTensor> tensors;
  int iterations;
  at::ScalarType dtype;
  std::string device;
  int threads;
};

/// Runs iterations from given tensors and returns everything that the fixtures name, whole. Activations, w, λ, ∇φ and
/// θ_{T+1} are there for a single iteration; losses of several are named iteration{k}/….
std::vector<NamedTensor> observe(const ObserveConfig& config);

}  // namespace l2t::run
