#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "native/bilevel/loss_point.h"

namespace l2t::bilevel {

/// The virtual trajectory from (θ_0, v_0): T steps on L_wfm, then one on L_org, each `v ← μ v + ∇ + wd·θ ; θ ← θ − α
/// v`.
struct Trajectory {
  std::vector<std::unique_ptr<LossPoint>> points;  // L_t at θ_t, t = 0 … T, with what its Hessian product reads
  at::Tensor theta;                                // θ_{T+1}, flat
};

Trajectory run_trajectory(const Problem& problem, const Batch& batch, const std::vector<transfer::MatchedMap>& maps,
                          const Sgd& sgd, const TargetState& state);

/// The meta-objective's gradient with respect to k: Σ_{t<T} ė_t along the adjoint directions of `trajectory`, one B × C
/// for each matched map. `a`: ∇θ of the meta-objective at θ_{T+1}, flat; it is overwritten. Releases the trajectory's
/// points.
std::vector<at::Tensor> coefficient_gradient(Trajectory& trajectory, const std::vector<transfer::MatchedMap>& maps,
                                             const Sgd& sgd, const at::Tensor& a);

}  // namespace l2t::bilevel
