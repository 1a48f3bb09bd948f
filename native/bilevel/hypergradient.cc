#include "native/bilevel/hypergradient.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

namespace l2t::bilevel {

Trajectory run_trajectory(const Problem& problem, const Batch& batch, const Sgd& sgd, const TargetState& state) {
  Trajectory trajectory;
  auto theta = state.theta.flat;
  auto velocity = state.velocity;
  for (int t = 0; t <= problem.inner_steps; ++t) {
    const bool last = t == problem.inner_steps;
    auto terms = last ? std::vector{problem.cross_entropy.get()} : problem.virtual_terms();
    auto point = std::make_unique<LossPoint>(problem, std::move(terms));
    point->forward(theta, state.theta.layout, batch, /*running=*/nullptr);
    // Not in place: the real state must not change, and every point keeps its own θ.
    virtual_sgd_step(theta, velocity, point->gradient(/*keep=*/t > 0), sgd);
    trajectory.points.push_back(std::move(point));
    mark(problem.phases, last ? "cross-entropy" : "virtual");
  }
  trajectory.theta = theta;
  return trajectory;
}

void run_adjoint(Trajectory& trajectory, const Sgd& sgd, const at::Tensor& a) {
  auto b = at::zeros_like(a);
  for (size_t t = trajectory.points.size(); t-- > 0;) {
    const auto d = sgd_adjoint(a, b, sgd);
    auto& point = *trajectory.points[t];
    point.tangent(d, /*keep=*/t > 0);
    if (t > 0) a.add_(point.hessian_product());
    point.release();
  }
}

}  // namespace l2t::bilevel
