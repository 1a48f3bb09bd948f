#include "native/bilevel/loss_point.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

#include "native/ops/cross_entropy.h"

namespace l2t::bilevel {

LossPoint::LossPoint(const Problem& problem, Terms terms) : problem_(problem), terms_(terms), tape_(problem.target, problem.convolution) {}

void LossPoint::forward(const at::Tensor& theta, const std::vector<TensorSpec>& specs, const Batch& batch,
                        const std::vector<transfer::MatchedMap>& maps, const std::vector<at::Tensor>* running) {
  specs_ = &specs;
  maps_ = &maps;
  y_ = batch.y;
  theta_flat_ = theta;
  theta_ = views_of(theta, specs);
  activations_ = tape_.forward(theta_, batch.x, operations(), running);
  if (terms_.org) loss_org_ = ops::cross_entropy(activations_.logits, y_, log_p_);
  if (!terms_.matching) return;
  for (const auto& map : maps) {
    branches_.push_back(transfer::gather_branches(map, branch_views(theta_)));
    difference_.push_back(difference(branches_.size() - 1));
    const auto loss = transfer::matching_loss(map, difference_.back());
    loss_matching_ = loss_matching_.defined() ? loss_matching_ + loss : loss;
  }
}

at::Tensor LossPoint::difference(size_t i) const {
  const auto& map = (*maps_)[i];
  return transfer::matching_difference(map, branches_[i], activations_.features[map.sources.feature]);
}

at::Tensor LossPoint::gradient(bool keep) {
  const auto flat = at::zeros_like(theta_flat_);
  const auto gradient = views_of(flat, *specs_);
  nets::Activations bar;
  bar.features.resize(activations_.features.size());
  if (terms_.org) bar.logits = ops::cross_entropy_backward(log_p_, y_);
  for (size_t i = 0; i < difference_.size(); ++i) {
    const auto& map = (*maps_)[i];
    auto matched =
        transfer::matching_backward(map, branches_[i], activations_.features[map.sources.feature], difference_[i]);
    bar.features[map.sources.feature] = std::move(matched.t_bar);
    transfer::scatter_branches(map, matched.branches, branch_views(gradient));
  }
  // The differences are made again by tangent: a small convolution each, for maps that would wait on the way.
  difference_.clear();
  tape_.backward(std::move(bar), gradient, keep);
  return flat;
}

void LossPoint::tangent(const at::Tensor& d, std::vector<at::Tensor>& e_dot, bool keep) {
  theta_dot_ = views_of(d, *specs_);
  dots_ = tape_.tangent(theta_dot_, keep);
  for (size_t i = 0; i < branches_.size(); ++i) {
    const auto& map = (*maps_)[i];
    difference_.push_back(difference(i));
    branches_dot_.push_back(transfer::gather_branches(map, branch_views(theta_dot_)));
    difference_dot_.push_back(transfer::matching_difference_tangent(branches_[i], branches_dot_[i],
                                                                    activations_.features[map.sources.feature],
                                                                    dots_.features[map.sources.feature]));
    e_dot[i].add_(transfer::matching_e_dot(difference_[i], difference_dot_[i]));
  }
}

at::Tensor LossPoint::hessian_product() {
  const auto flat = at::zeros_like(theta_flat_);
  const auto product = views_of(flat, *specs_);
  nets::Activations bar_dot;
  bar_dot.features.resize(activations_.features.size());
  if (terms_.org) bar_dot.logits = ops::cross_entropy_tangent_backward(log_p_, dots_.logits);
  for (size_t i = 0; i < difference_.size(); ++i) {
    const auto& map = (*maps_)[i];
    auto matched = transfer::matching_tangent_backward(
        map, branches_[i], branches_dot_[i], activations_.features[map.sources.feature],
        dots_.features[map.sources.feature], difference_[i], difference_dot_[i]);
    bar_dot.features[map.sources.feature] = std::move(matched.t_bar);
    transfer::scatter_branches(map, matched.branches, branch_views(product));
  }
  tape_.tangent_backward(std::move(bar_dot), theta_dot_, product);
  return flat;
}

void LossPoint::release() {
  tape_.release();
  theta_flat_.reset();
  for (auto* tensors : {&theta_, &theta_dot_, &difference_, &difference_dot_}) tensors->clear();
  branches_.clear();
  branches_dot_.clear();
  activations_ = {};
  dots_ = {};
  loss_matching_.reset();
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
