#include "native/bilevel/native_engine.h"

#include "native/bilevel/hypergradient.h"

namespace l2t::bilevel {

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
