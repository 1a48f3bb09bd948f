#include "native/oracle/autograd_engine.h"

#include <ATen/TensorOperators.h>
#include <torch/csrc/autograd/autograd.h>

#include "native/backends/reference/backend.h"
#include "native/oracle/losses.h"

namespace l2t::oracle {
namespace {

using bilevel::Batch;
using bilevel::MetaStep;
using bilevel::RealStep;
using bilevel::Sgd;
using bilevel::TargetState;

at::Tensor leaf(const at::Tensor& values) { return values.detach().requires_grad_(); }

at::Tensor gradient(const at::Tensor& loss, const at::Tensor& variable, bool create_graph) {
  return torch::autograd::grad({loss}, {variable}, {}, /*retain_graph=*/create_graph, create_graph)[0];
}

/// The terms' values at a point; adds each to `total`.
bilevel::Losses add_losses(const std::vector<terms::Term*>& terms, const Point& point, at::Tensor& total) {
  bilevel::Losses losses;
  for (const auto* const term : terms) {
    const auto value = loss(term->name(), point);
    terms::add_to(total, value);
    losses.emplace_back(term->name(), value.detach());
  }
  return losses;
}

}  // namespace

nets::Activations AutogradEngine::target(const Layout& layout, Tensors theta, const at::Tensor& x,
                                         const std::vector<at::Tensor>* buffers) const {
  const auto statistics = buffers != nullptr ? nets::Statistics::kBatchAndUpdate : nets::Statistics::kBatch;
  return nets::forward(problem_.target, layout.slice("target").of(theta), buffers != nullptr ? *buffers : Tensors(), x,
                       statistics);
}

RealStep AutogradEngine::real_step(const Batch& batch, const Sgd& sgd, TargetState& state) {
  const auto& layout = state.theta.layout;
  const auto flat = leaf(state.theta.flat);
  const auto theta = layout.views(flat);
  const auto activations = target(layout, theta, batch.x, &state.buffers);

  RealStep step;
  at::Tensor total;
  step.losses =
      add_losses(problem_.all_terms(), {problem_, batch, batch.importance, activations, layout, theta}, total);
  const auto grad = gradient(total, flat, /*create_graph=*/false);
  step.activations.logits = activations.logits.detach();
  for (const auto& feature : activations.features) step.activations.features.push_back(feature.detach());
  const auto& [values, velocity] = std::tie(state.theta.flat, state.velocity);
  problem_.backend->sgd_step(sgd, values, velocity, grad, values, velocity);
  return step;
}

MetaStep AutogradEngine::meta_step(const Batch& batch, const Batch& judge, const Sgd& sgd, const TargetState& state,
                                   const ParameterVector& phi) {
  const auto& layout = state.theta.layout;
  const auto phi_flat = leaf(phi.flat);
  const auto importance = transfer::importance(backends::reference::backend(), problem_.meta_networks,
                                               phi.layout.views(phi_flat), batch.maps.pooled);
  auto theta = leaf(state.theta.flat);
  auto velocity = state.velocity;
  at::Tensor total;
  const auto losses_of = [&](const std::vector<terms::Term*>& terms, const Batch& images) {
    const auto views = layout.views(theta);
    const auto activations = target(layout, views, images.x, nullptr);
    total.reset();
    return add_losses(terms, {problem_, images, importance, activations, layout, views}, total);
  };
  // One differentiable SGD step on `total`: the gradient keeps its graph, so θ stays a function of φ.
  const auto virtual_step = [&] {
    velocity = velocity * sgd.momentum + gradient(total, theta, /*create_graph=*/true) + theta * sgd.weight_decay;
    theta = theta - velocity * sgd.lr;
  };

  MetaStep step;
  for (int t = 0; t < problem_.inner_steps; ++t) {
    step.virtual_losses.push_back(losses_of(problem_.virtual_terms(), batch));
    virtual_step();
    mark(problem_.phases, "virtual");
  }
  step.virtual_cross_entropy = losses_of({problem_.cross_entropy.get()}, batch).front().second;
  virtual_step();
  mark(problem_.phases, "cross-entropy");
  step.objective = losses_of({problem_.cross_entropy.get()}, judge).front().second;
  mark(problem_.phases, "meta-objective");
  step.phi_gradient = gradient(total, phi_flat, /*create_graph=*/false);
  mark(problem_.phases, "hypergradient");  // includes the meta-objective's backward pass
  step.virtual_theta = theta.detach();
  return step;
}

}  // namespace l2t::oracle
