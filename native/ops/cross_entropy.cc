#include "native/ops/cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>

namespace l2t::ops {

at::Tensor cross_entropy(const at::Tensor& z, const at::Tensor& y, at::Tensor& log_p) {
  log_p = at::log_softmax(z, 1);
  return -at::gather(log_p, 1, y.unsqueeze(1)).mean();
}

at::Tensor cross_entropy_backward(const at::Tensor& log_p, const at::Tensor& y) {
  auto z_bar = log_p.exp();
  // Not scatter_add_, which LibTorch documents as not deterministic on a GPU.
  const auto one_hot = at::arange(z_bar.size(1), y.options()).eq(y.unsqueeze(1));
  z_bar.sub_(one_hot.to(z_bar.scalar_type()));
  return z_bar.div_(static_cast<double>(y.size(0)));
}

at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot) {
  const auto p = log_p.exp();
  const auto centred = z_dot - (p * z_dot).sum(1, /*keepdim=*/true);
  return (p * centred).div_(static_cast<double>(z_dot.size(0)));
}

}  // namespace l2t::ops
