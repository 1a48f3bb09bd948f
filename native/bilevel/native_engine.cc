#include "native/bilevel/native_engine.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

#include <memory>
#include <vector>

#include "native/bilevel/loss_point.h"

namespace l2t::bilevel {
namespace {

/// The virtual trajectory from (θ_0, v_0): T steps on the terms that the meta-networks weight, then one on L_org, each
/// `v ← μ v + ∇ + wd·θ ; θ ← θ − α v`.
struct Trajectory {
  std::vector<std::unique_ptr<LossPoint>> points;  // L_t at θ_t, t = 0 … T, with what its Hessian product reads
  at::Tensor theta;                                // θ_{T+1}, flat
};

Trajectory run_trajectory(const Problem& problem, const Batch& batch, const Sgd& sgd, const TargetState& state) {
  Trajectory trajectory;
  auto theta = state.theta.flat;
  auto velocity = state.velocity;
  for (int t = 0; t <= problem.inner_steps; ++t) {
    const bool last = t == problem.inner_steps;
    auto terms = last ? std::vector{problem.cross_entropy.get()} : problem.virtual_terms();
    // At t = 0 nothing needs the Hessian's product.
    const auto sweeps = t > 0 ? backends::Sweeps::kProduct : backends::Sweeps::kTangent;
    auto point = std::make_unique<LossPoint>(problem, std::move(terms), sweeps);
    point->forward(theta, state.theta.layout, batch, /*running=*/nullptr);
    // Not in place: the real state must not change, and every point keeps its own θ.
    const auto gradient = point->gradient();
    const auto next_theta = at::empty_like(theta);
    const auto next_velocity = at::empty_like(velocity);
    problem.backend->sgd_step(sgd, theta, velocity, gradient, next_theta, next_velocity);
    theta = next_theta;
    velocity = next_velocity;
    trajectory.points.push_back(std::move(point));
    mark(problem.phases, last ? "cross-entropy" : "virtual");
  }
  trajectory.theta = theta;
  return trajectory;
}

/// Goes back along the trajectory. Afterwards the terms have their part of the meta-objective's gradient with respect
/// to φ (Term::phi_gradient): Σ_{t<T} of ∂⟨∇θ L_t, d_t⟩/∂φ along the adjoint directions d_t. `a`: ∇θ of the
/// meta-objective at θ_{T+1}, flat; it is overwritten. Drops the points.
void run_adjoint(const Problem& problem, Trajectory& trajectory, const Sgd& sgd, const at::Tensor& a) {
  const auto b = at::zeros_like(a);
  for (size_t t = trajectory.points.size(); t-- > 0;) {
    const auto d = problem.backend->sgd_adjoint(sgd, a, b);
    auto& point = *trajectory.points[t];
    point.tangent(d);
    if (t > 0) a.add_(point.hessian_product());
    trajectory.points[t].reset();
  }
}

}  // namespace

RealStep NativeEngine::real_step(const Batch& batch, const Sgd& sgd, TargetState& state) {
  LossPoint point(problem_, problem_.all_terms(), backends::Sweeps::kGradient);
  point.forward(state.theta.flat, state.theta.layout, batch, &state.buffers);
  const auto gradient = point.gradient();
  const auto& [theta, velocity] = std::tie(state.theta.flat, state.velocity);
  problem_.backend->sgd_step(sgd, theta, velocity, gradient, theta, velocity);
  return {point.losses(), point.activations()};
}

MetaStep NativeEngine::meta_step(const Batch& batch, const Batch& judge, const Sgd& sgd, const TargetState& state,
                                 const ParameterVector& /*phi*/) {
  auto trajectory = run_trajectory(problem_, batch, sgd, state);

  MetaStep step;
  for (const auto& point : trajectory.points) step.virtual_losses.push_back(point->losses());
  step.virtual_cross_entropy = step.virtual_losses.back().front().second;
  step.virtual_losses.pop_back();
  step.virtual_theta = trajectory.theta;

  const std::vector terms{problem_.cross_entropy.get()};
  auto objective = std::make_unique<LossPoint>(problem_, terms, backends::Sweeps::kGradient);
  objective->forward(trajectory.theta, state.theta.layout, judge, /*running=*/nullptr);
  step.objective = objective->losses().front().second;
  const auto a = objective->gradient();
  objective.reset();
  mark(problem_.phases, "meta-objective");

  run_adjoint(problem_, trajectory, sgd, a);
  for (const auto* const term : problem_.virtual_terms()) {
    terms::add_to(step.phi_gradient, term->phi_gradient(batch, problem_.meta_networks));
  }
  problem_.reducer->sum(step.phi_gradient);
  mark(problem_.phases, "hypergradient");
  return step;
}

}  // namespace l2t::bilevel
