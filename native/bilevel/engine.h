#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/bilevel/sgd.h"
#include "native/core/parameters.h"
#include "native/core/phases.h"
#include "native/kernels/form.h"
#include "native/nets/forward.h"
#include "native/transfer/distillation.h"
#include "native/transfer/meta_networks.h"
#include "native/transfer/source_maps.h"

/// What every engine computes: the two gradients of an iteration of method.md.
namespace l2t::bilevel {

/// What stays the same during a run.
struct Problem {
  nets::Network target;
  transfer::Method method;
  std::vector<transfer::Pair> pairs;
  double beta;
  double attention_weight;
  transfer::Distillation distillation;
  int inner_steps;  // T
  kernels::Convolution convolution = kernels::Convolution::kAuto;
  Phases* phases = nullptr;  // null: not measured
};

/// What a run trains: θ (the target's parameters, the branches, the LwF head), its momentum v, the running statistics.
struct TargetState {
  ParameterVector theta;
  at::Tensor velocity;
  std::vector<at::Tensor> buffers;
};

/// What an iteration reads: images (B × 3 × H × W), labels (B, int64), the sources' maps of the images, and w and λ.
struct Batch {
  at::Tensor x;
  at::Tensor y;
  transfer::SourceMaps maps;
  transfer::Importance importance;
};

/// Losses (scalars), logits and features at θ before the step.
struct RealStep {
  at::Tensor loss_org;
  at::Tensor loss_matching;      // undefined where the method has no such loss
  at::Tensor loss_attention;     // likewise
  at::Tensor loss_distillation;  // likewise
  nets::Activations activations;
};

struct MetaStep {
  std::vector<at::Tensor> virtual_matching;  // L_wfm at θ_0 … θ_{T−1}
  at::Tensor virtual_org;                    // L_org(θ_T)
  at::Tensor objective;                      // L_org(θ_{T+1})
  at::Tensor phi_gradient;                   // flat, in φ's order
  at::Tensor virtual_theta;                  // θ_{T+1}, flat
};

class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  /// Step 1: moves θ, v and the running statistics by one SGD step on L_org plus the method's other losses.
  virtual RealStep real_step(const Batch& batch, const Sgd& sgd, TargetState& state) = 0;

  /// Steps 2 and 3: ∇φ L_org(θ_{T+1}) through the virtual trajectory from (θ, v). `state` does not change.
  virtual MetaStep meta_step(const Batch& batch, const Sgd& sgd, const TargetState& state,
                             const ParameterVector& phi) = 0;
};

}  // namespace l2t::bilevel
