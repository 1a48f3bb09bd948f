#include "native/bilevel/hypergradient.h"

#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>

namespace l2t::bilevel {

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

}  // namespace l2t::bilevel
