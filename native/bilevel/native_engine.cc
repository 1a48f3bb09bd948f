#include "native/bilevel/native_engine.h"

#include "native/bilevel/hypergradient.h"

namespace l2t::bilevel {

std::vector<transfer::MatchedMap> NativeEngine::matched_maps(const Batch& batch) const {
  return transfer::make_matched_maps(problem_.method, problem_.beta, batch.maps, batch.importance);
}

RealStep NativeEngine::real_step(const Batch& batch, const Sgd& sgd, TargetState& state) {
  const auto maps = problem_.method.matches ? matched_maps(batch) : std::vector<transfer::MatchedMap>();
  const auto& method = problem_.method;
  LossPoint point(problem_, {/*org=*/true, method.matches, method.attends, method.distils});
  point.forward(state.theta.flat, state.theta.specs, batch, maps, &state.buffers);
  const auto gradient = point.gradient(/*keep=*/false);
  sgd_step(state.theta.flat, state.velocity, gradient, sgd);
  return {point.loss_org(), point.loss_matching(), point.loss_attention(), point.loss_distillation(),
          point.activations()};
}

MetaStep NativeEngine::meta_step(const Batch& batch, const Sgd& sgd, const TargetState& state,
                                 const ParameterVector& phi) {
  const auto maps = matched_maps(batch);
  auto trajectory = run_trajectory(problem_, batch, maps, sgd, state);

  MetaStep step;
  for (const auto& point : trajectory.points) {
    if (point->loss_matching().defined()) step.virtual_matching.push_back(point->loss_matching());
  }
  step.virtual_org = trajectory.points.back()->loss_org();
  step.virtual_theta = trajectory.theta;

  LossPoint objective(problem_, {/*org=*/true, /*matching=*/false});
  objective.forward(trajectory.theta, state.theta.specs, batch, maps, /*running=*/nullptr);
  step.objective = objective.loss_org();
  const auto a = objective.gradient(/*keep=*/false);
  objective.release();
  mark(problem_.phases, "meta-objective");

  const auto k_bar = coefficient_gradient(trajectory, maps, sgd, a);
  step.phi_gradient =
      transfer::importance_backward(problem_.method, problem_.beta, phi, batch.maps.pooled, batch.importance,
                                    transfer::by_pair(maps, k_bar, batch.maps.pooled));
  mark(problem_.phases, "hypergradient");
  return step;
}

}  // namespace l2t::bilevel
