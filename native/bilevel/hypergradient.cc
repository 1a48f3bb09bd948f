#include "native/bilevel/hypergradient.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

namespace l2t::bilevel {

Trajectory run_trajectory(const Problem& problem, const Batch& batch, const std::vector<transfer::MatchedMap>& maps,
                          const Sgd& sgd, const TargetState& state) {
  Trajectory trajectory;
  auto theta = state.theta.flat;
  auto velocity = state.velocity;
  for (int t = 0; t <= problem.inner_steps; ++t) {
    const bool org = t == problem.inner_steps;
    auto point = std::make_unique<LossPoint>(problem, Terms{org, !org});
    point->forward(theta, state.theta.specs, batch, maps, /*running=*/nullptr);
    // Not in place: the real state must not change, and every point keeps its own θ.
    virtual_sgd_step(theta, velocity, point->gradient(/*keep=*/t > 0), sgd);
    trajectory.points.push_back(std::move(point));
    mark(problem.phases, org ? "cross-entropy" : "virtual");
  }
  trajectory.theta = theta;
  return trajectory;
}

std::vector<at::Tensor> coefficient_gradient(Trajectory& trajectory, const std::vector<transfer::MatchedMap>& maps,
                                             const Sgd& sgd, const at::Tensor& a) {
  std::vector<at::Tensor> k_bar;
  for (const auto& map : maps) k_bar.push_back(at::zeros_like(map.coefficient));
  auto b = at::zeros_like(a);
  for (size_t t = trajectory.points.size(); t-- > 0;) {
    const auto d = sgd_adjoint(a, b, sgd);
    auto& point = *trajectory.points[t];
    point.tangent(d, k_bar, /*keep=*/t > 0);
    if (t > 0) a.add_(point.hessian_product());
    point.release();
  }
  return k_bar;
}

}  // namespace l2t::bilevel
