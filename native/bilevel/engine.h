#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "native/bilevel/problem.h"
#include "native/core/interface.h"

/// Engines, each of which computes the two gradients of an iteration of method.md.
namespace l2t::bilevel {

using backends::Sgd;

/// The state that a run trains: θ (the target's and the terms' parameters), its momentum v, the running statistics.
struct TargetState {
  ParameterVector theta;
  at::Tensor velocity;
  std::vector<at::Tensor> buffers;
};

/// Scalars by the names of their terms, in the order of the method: where the ranks share the batch, this
/// rank's parts of them. Gradients are sums over the ranks.
using Losses = std::vector<std::pair<std::string, at::Tensor>>;

/// Losses, logits and features at θ before the step.
struct RealStep {
  Losses losses;
  nets::Activations activations;
};

struct MetaStep {
  std::vector<Losses> virtual_losses;  // at θ_0 … θ_{T−1}
  at::Tensor virtual_cross_entropy;    // L_org(θ_T)
  at::Tensor objective;                // L_org(θ_{T+1})
  at::Tensor phi_gradient;             // flat, in φ's order
  at::Tensor virtual_theta;            // θ_{T+1}, flat
};

class Engine : public Interface {
 public:
  /// Step 1: moves θ, v and the running statistics by one SGD step on the sum of all terms, which have begun the batch.
  virtual RealStep real_step(const Batch& batch, const Sgd& sgd, TargetState& state) = 0;

  /// Steps 3 and 4: ∇φ L_org(θ_{T+1}) through the virtual trajectory from (θ, v) on `batch`; L_org(θ_{T+1}) is that of
  /// the images and labels of `judge`, which may be the same batch. `state` does not change.
  virtual MetaStep meta_step(const Batch& batch, const Batch& judge, const Sgd& sgd, const TargetState& state,
                             const ParameterVector& phi) = 0;

  /// Checks whether the engine reads Batch::sources for terms that do, after they have begun.
  [[nodiscard]] virtual bool reads_sources() const { return false; }
  /// Checks whether the engine reads SourceMaps::resized for every term. (The matching term's own sweeps make the maps
  /// that they need.)
  [[nodiscard]] virtual bool reads_resized() const { return false; }
};

}  // namespace l2t::bilevel
