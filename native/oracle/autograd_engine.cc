#include "native/oracle/autograd_engine.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>

#include "native/transfer/attention.h"
#include "native/transfer/distillation.h"

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

}  // namespace

at::Tensor AutogradEngine::matching_loss(const std::vector<at::Tensor>& features, const at::Tensor* branches,
                                         const Batch& batch, const transfer::Importance& importance) const {
  at::Tensor loss;
  for (size_t i = 0; i < problem_.pairs.size(); ++i) {
    const auto& map = features[problem_.pairs[i].target_feature];
    const auto matched = at::conv2d(map, branches[2 * i], branches[2 * i + 1]);
    const auto squares = at::mse_loss(matched, batch.maps.resized[i], at::Reduction::None);
    const auto e = squares.sum({2, 3}) / (map.size(2) * map.size(3));
    const auto k = transfer::coefficient(problem_.method, importance, i, problem_.beta, batch.maps.pooled[i]);
    const auto term = (k * e).sum();
    loss = loss.defined() ? loss + term : term;
  }
  return loss;
}

at::Tensor AutogradEngine::attention_loss(const std::vector<at::Tensor>& features, const Batch& batch) const {
  const auto attention = [](const at::Tensor& map) {
    const auto a = map.square().mean(1).flatten(1);
    return a / a.norm(2, {1}, /*keepdim=*/true).clamp_min(transfer::kSmallestNorm);
  };
  auto loss = at::zeros({}, batch.x.options());
  for (size_t i = 0; i < problem_.pairs.size(); ++i) {
    const auto& map = features[problem_.pairs[i].target_feature];
    const auto difference = attention(batch.maps.resized[i]) - attention(map);
    loss = loss + difference.square().mean() * problem_.attention_weight;
  }
  return loss;
}

at::Tensor AutogradEngine::distillation_loss(const at::Tensor& feature, const at::Tensor* head,
                                             const Batch& batch) const {
  const auto [weight, t] = problem_.distillation;
  const auto log_p = at::log_softmax(at::linear(feature.mean({2, 3}), head[0], head[1]) / t, 1);
  const auto log_p_source = at::log_softmax(batch.maps.logits / t, 1);
  return (log_p_source.exp() * (log_p_source - log_p)).sum(1).mean() * (weight * t * t);
}

nets::Activations AutogradEngine::target(const std::vector<at::Tensor>& theta, const at::Tensor& x,
                                         const std::vector<at::Tensor>* buffers) const {
  const auto statistics = buffers != nullptr ? nets::Statistics::kBatchAndUpdate : nets::Statistics::kBatch;
  return nets::forward(problem_.target, theta, buffers != nullptr ? *buffers : std::vector<at::Tensor>(), x,
                       statistics);
}

RealStep AutogradEngine::real_step(const Batch& batch, const Sgd& sgd, TargetState& state) {
  const auto flat = leaf(state.theta.flat);
  const auto theta = views_of(flat, state.theta.specs);
  auto activations = target(theta, batch.x, &state.buffers);

  RealStep step;
  step.loss_org = at::cross_entropy_loss(activations.logits, batch.y);
  auto total = step.loss_org;
  if (problem_.method.matches) {
    step.loss_matching =
        matching_loss(activations.features, &theta[problem_.target.parameters.size()], batch, batch.importance);
    total = total + step.loss_matching;
    step.loss_matching = step.loss_matching.detach();
  }
  if (problem_.method.attends) {
    step.loss_attention = attention_loss(activations.features, batch);
    total = total + step.loss_attention;
    step.loss_attention = step.loss_attention.detach();
  }
  if (problem_.method.distils) {
    step.loss_distillation = distillation_loss(activations.features.back(), &theta[theta.size() - 2], batch);
    total = total + step.loss_distillation;
    step.loss_distillation = step.loss_distillation.detach();
  }
  const auto grad = gradient(total, flat, /*create_graph=*/false);
  step.loss_org = step.loss_org.detach();
  step.activations.logits = activations.logits.detach();
  for (const auto& feature : activations.features) step.activations.features.push_back(feature.detach());
  bilevel::sgd_step(state.theta.flat, state.velocity, grad, sgd);
  return step;
}

MetaStep AutogradEngine::meta_step(const Batch& batch, const Sgd& sgd, const TargetState& state,
                                   const ParameterVector& phi) {
  const auto phi_flat = leaf(phi.flat);
  const auto importance = transfer::importance(problem_.method, views_of(phi_flat, phi.specs), batch.maps.pooled);
  auto theta = leaf(state.theta.flat);
  auto velocity = state.velocity;
  // One differentiable SGD step: the gradient keeps its graph, so θ stays a function of φ.
  const auto virtual_step = [&](const at::Tensor& loss) {
    velocity = velocity * sgd.momentum + gradient(loss, theta, /*create_graph=*/true) + theta * sgd.weight_decay;
    theta = theta - velocity * sgd.lr;
    return loss.detach();
  };
  const auto org_loss = [&] {
    return at::cross_entropy_loss(target(views_of(theta, state.theta.specs), batch.x, nullptr).logits, batch.y);
  };

  MetaStep step;
  for (int t = 0; t < problem_.inner_steps; ++t) {
    const auto views = views_of(theta, state.theta.specs);
    const auto features = target(views, batch.x, nullptr).features;
    const auto* branches = &views[problem_.target.parameters.size()];
    step.virtual_matching.push_back(virtual_step(matching_loss(features, branches, batch, importance)));
    mark(problem_.phases, "virtual");
  }
  step.virtual_org = virtual_step(org_loss());
  mark(problem_.phases, "cross-entropy");
  const auto objective = org_loss();
  mark(problem_.phases, "meta-objective");
  step.phi_gradient = gradient(objective, phi_flat, /*create_graph=*/false);
  mark(problem_.phases, "hypergradient");  // includes the meta-objective's backward pass
  step.objective = objective.detach();
  step.virtual_theta = theta.detach();
  return step;
}

}  // namespace l2t::oracle
