#include "native/bilevel/loss_point.h"

#include <ATen/ops/empty_like.h>

#include <algorithm>

namespace l2t::bilevel {

LossPoint::LossPoint(const Problem& problem, std::vector<terms::Term*> terms, backends::Sweeps sweeps)
    : problem_(problem), terms_(std::move(terms)), sweeps_(sweeps), tape_(problem.target, *problem.backend, sweeps) {}

void LossPoint::forward(const at::Tensor& theta, const Layout& layout, const Batch& batch,
                        const std::vector<at::Tensor>* running) {
  layout_ = &layout;
  target_ = layout.slice("target");
  theta_flat_ = theta;
  theta_ = layout.views(theta);
  auto extent = this->extent();
  extent.features |= running != nullptr;
  activations_ = tape_.forward(target_.of(theta_), batch.x, problem_.norm(batch), extent, running);
  for (auto* const term : terms_) {
    points_.push_back(term->point(batch));
    losses_.emplace_back(term->name(), points_.back()->forward(activations_, theta_));
  }
}

at::Tensor LossPoint::gradient() {
  const auto flat = new_gradient();
  const auto theta_bar = layout_->views(flat);
  auto bar = no_bars();
  for (const auto& point : points_) point->backward(bar);
  tape_.backward(std::move(bar), target_.of(theta_bar));
  for (const auto& point : points_) point->add_gradient(theta_bar);
  problem_.reducer->sum(flat);
  return flat;
}

void LossPoint::tangent(const at::Tensor& d) {
  theta_dot_ = layout_->views(d);
  const auto dot = tape_.tangent(target_.of(theta_dot_));
  for (const auto& point : points_) point->tangent(dot, theta_dot_, sweeps_ == backends::Sweeps::kProduct);
}

at::Tensor LossPoint::hessian_product() {
  const auto flat = new_gradient();
  const auto theta_bar_dot = layout_->views(flat);
  auto bar_dot = no_bars();
  for (const auto& point : points_) point->tangent_backward(bar_dot);
  tape_.tangent_backward(std::move(bar_dot), target_.of(theta_bar_dot));
  for (const auto& point : points_) point->add_gradient(theta_bar_dot);
  problem_.reducer->sum(flat);
  return flat;
}

at::Tensor LossPoint::new_gradient() const {
  auto flat = at::empty_like(theta_flat_);
  const auto numbers = [](Tensors tensors) {
    int64_t count = 0;
    for (const auto& tensor : tensors) count += tensor.numel();
    return count;
  };
  // The target is θ's first slice.
  const int64_t written = numbers(target_.of(theta_).first(tape_.parameters()));
  if (written < flat.numel()) flat.narrow(0, written, flat.numel() - written).zero_();
  return flat;
}

tape::Tape::Extent LossPoint::extent() const {
  tape::Tape::Extent extent{0, false};
  for (const auto* const term : terms_) {
    const auto reads = term->reads();
    if (reads.logits) extent.operations = problem_.target.operations.size();
    for (const int n : reads.features) {
      extent.features = true;
      extent.operations = std::max(extent.operations, static_cast<size_t>(problem_.target.features[n].value));
    }
  }
  return extent;
}

nets::Activations LossPoint::no_bars() const { return {{}, std::vector<at::Tensor>(problem_.target.features.size())}; }

}  // namespace l2t::bilevel
