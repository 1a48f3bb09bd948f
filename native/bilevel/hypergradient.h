#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "native/bilevel/loss_point.h"

namespace l2t::bilevel {

/// The virtual trajectory from (θ_0, v_0): T steps on the terms that the meta-networks weight, then one on L_org, each
/// `v ← μ v + ∇ + wd·θ ; θ ← θ − α v`.
struct Trajectory {
  std::vector<std::unique_ptr<LossPoint>> points;  // L_t at θ_t, t = 0 … T, with what its Hessian product reads
  at::Tensor theta;                                // θ_{T+1}, flat
};

Trajectory run_trajectory(const Problem& problem, const Batch& batch, const Sgd& sgd, const TargetState& state);

/// Goes back along the trajectory. Afterwards the terms have their part of the meta-objective's gradient with respect
/// to φ (Term::phi_gradient): Σ_{t<T} of ∂⟨∇θ L_t, d_t⟩/∂φ along the adjoint directions d_t. `a`: ∇θ of the
/// meta-objective at θ_{T+1}, flat; it is overwritten. Drops the points.
void run_adjoint(const Problem& problem, Trajectory& trajectory, const Sgd& sgd, const at::Tensor& a);

}  // namespace l2t::bilevel
