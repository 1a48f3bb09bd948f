#include "native/bilevel/loss_point.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "native/ops/cross_entropy.h"
#include "native/transfer/attention.h"

namespace l2t::bilevel {
namespace {

void add_to(at::Tensor& sum, const at::Tensor& term) { sum = sum.defined() ? sum + term : term; }

}  // namespace

LossPoint::LossPoint(const Problem& problem, Terms terms)
    : problem_(problem), terms_(terms), tape_(problem.target, problem.convolution) {}

void LossPoint::forward(const at::Tensor& theta, const std::vector<TensorSpec>& specs, const Batch& batch,
                        const std::vector<transfer::MatchedMap>& maps, const std::vector<at::Tensor>* running) {
  specs_ = &specs;
  maps_ = &maps;
  y_ = batch.y;
  theta_flat_ = theta;
  theta_ = views_of(theta, specs);
  const bool features = terms_.matching || terms_.attention || terms_.distillation || running != nullptr;
  activations_ = tape_.forward(theta_, batch.x, {operations(), features}, running);
  if (terms_.org) loss_org_ = ops::cross_entropy(activations_.logits, y_, log_p_);
  if (terms_.attention) forward_attention(batch);
  if (terms_.distillation) forward_distillation(batch);
  if (!terms_.matching) return;
  for (const auto& map : maps) {
    const auto branches = transfer::gather_branches(map, branch_views(theta_));
    auto value = transfer::matching_value(map, branches, activations_.features[map.sources.feature], direct());
    add_to(loss_matching_, value.loss);
    matching_.push_back(std::move(value.gradient));
  }
}

at::Tensor LossPoint::gradient(bool keep) {
  const auto flat = at::zeros_like(theta_flat_);
  const auto gradient = views_of(flat, *specs_);
  nets::Activations bar;
  if (terms_.org) bar.logits = ops::cross_entropy_backward(log_p_, y_);
  take_matching(bar, gradient);
  if (terms_.attention) add_attention(bar);
  if (terms_.distillation) add_distillation(bar, gradient);
  tape_.backward(std::move(bar), gradient, keep);
  return flat;
}

void LossPoint::tangent(const at::Tensor& d, std::vector<at::Tensor>& e_dot, bool keep) {
  theta_dot_ = views_of(d, *specs_);
  dots_ = tape_.tangent(theta_dot_, keep);
  if (!terms_.matching) return;
  for (size_t i = 0; i < maps_->size(); ++i) {
    const auto& map = (*maps_)[i];
    const int n = map.sources.feature;
    auto tangent = transfer::matching_tangent(map, transfer::gather_branches(map, branch_views(theta_)),
                                              transfer::gather_branches(map, branch_views(theta_dot_)),
                                              activations_.features[n], dots_.features[n], keep, direct());
    e_dot[i].add_(tangent.e_dot);
    if (keep) matching_.push_back(std::move(tangent.gradient_dot));
  }
}

at::Tensor LossPoint::hessian_product() {
  const auto flat = at::zeros_like(theta_flat_);
  const auto product = views_of(flat, *specs_);
  nets::Activations bar_dot;
  if (terms_.org) bar_dot.logits = ops::cross_entropy_tangent_backward(log_p_, dots_.logits);
  take_matching(bar_dot, product);
  tape_.tangent_backward(std::move(bar_dot), theta_dot_, product);
  return flat;
}

void LossPoint::take_matching(nets::Activations& bar, const std::vector<at::Tensor>& gradient) {
  bar.features.resize(activations_.features.size());
  for (size_t i = 0; i < matching_.size(); ++i) {
    const auto& map = (*maps_)[i];
    bar.features[map.sources.feature] = std::move(matching_[i].t_bar);
    transfer::scatter_branches(map, matching_[i].branches, branch_views(gradient));
  }
  matching_.clear();
}

void LossPoint::forward_attention(const Batch& batch) {
  for (size_t i = 0; i < problem_.pairs.size(); ++i) {
    const int n = problem_.pairs[i].target_feature;
    auto value = transfer::attention_value(batch.maps.resized[i], activations_.features[n], problem_.attention_weight);
    add_to(loss_attention_, value.loss);
    attention_.push_back(std::move(value.t_bar));
  }
}

void LossPoint::forward_distillation(const Batch& batch) {
  const auto* const head = &theta_[theta_.size() - 2];
  distillation_ = transfer::distillation_value(batch.maps.logits, activations_.features.back(), head[0], head[1],
                                               problem_.distillation);
}

void LossPoint::add_attention(nets::Activations& bar) const {
  for (size_t i = 0; i < attention_.size(); ++i) add_to(bar.features[problem_.pairs[i].target_feature], attention_[i]);
}

void LossPoint::add_distillation(nets::Activations& bar, const std::vector<at::Tensor>& gradient) const {
  add_to(bar.features.back(), distillation_.t_bar.contiguous(at::MemoryFormat::ChannelsLast));
  gradient[gradient.size() - 2].copy_(distillation_.weight_bar);
  gradient[gradient.size() - 1].copy_(distillation_.bias_bar);
}

void LossPoint::release() {
  tape_.release();
  theta_flat_.reset();
  theta_.clear();
  theta_dot_.clear();
  matching_.clear();
  attention_.clear();
  distillation_ = {};
  activations_ = {};
  dots_ = {};
  loss_matching_.reset();
  loss_attention_.reset();
  log_p_.reset();
}

size_t LossPoint::operations() const {
  if (terms_.org) return problem_.target.operations.size();
  int last = 0;
  for (const auto& pair : problem_.pairs) last = std::max(last, problem_.target.features[pair.target_feature].value);
  return static_cast<size_t>(last);
}

const at::Tensor* LossPoint::branch_views(const std::vector<at::Tensor>& views) const {
  return views.data() + problem_.target.parameters.size();
}

}  // namespace l2t::bilevel
