#include "native/ops/cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>

namespace l2t::ops {
namespace {

/// Multiplies the rows of `by_image` (B × K, or B × 1) by the images' weights.
void weigh(at::Tensor& by_image, const Labels& labels) {
  if (labels.weights.defined()) by_image.mul_(labels.weights.unsqueeze(1));
}

}  // namespace

at::Tensor cross_entropy(const at::Tensor& z, const Labels& labels, at::Tensor& log_p) {
  log_p = at::log_softmax(z, 1);
  auto by_image = -at::gather(log_p, 1, labels.y.unsqueeze(1));
  if (labels.smoothing > 0) {
    by_image = by_image * (1 - labels.smoothing) - log_p.mean(1, /*keepdim=*/true) * labels.smoothing;
  }
  weigh(by_image, labels);
  return by_image.sum().div_(static_cast<double>(labels.images));
}

at::Tensor cross_entropy_backward(const at::Tensor& log_p, const Labels& labels) {
  const auto& y = labels.y;
  auto z_bar = log_p.exp();
  // Not scatter_add_, which LibTorch documents as not deterministic on a GPU.
  const auto one_hot = at::arange(z_bar.size(1), y.options()).eq(y.unsqueeze(1));
  z_bar.sub_(one_hot.to(z_bar.scalar_type()), 1 - labels.smoothing);
  if (labels.smoothing > 0) z_bar.sub_(labels.smoothing / static_cast<double>(z_bar.size(1)));
  weigh(z_bar, labels);
  return z_bar.div_(static_cast<double>(labels.images));
}

at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot, const Labels& labels) {
  const auto p = log_p.exp();
  auto z_bar_dot = p * (z_dot - (p * z_dot).sum(1, /*keepdim=*/true));
  weigh(z_bar_dot, labels);
  return z_bar_dot.div_(static_cast<double>(labels.images));
}

}  // namespace l2t::ops
