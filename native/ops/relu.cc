#include "native/ops/relu.h"

#include <ATen/ops/hardtanh.h>
#include <ATen/ops/hardtanh_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>

namespace l2t::ops {

at::Tensor relu(at::Tensor x) {
  if (x.use_count() > 1) return at::relu(x);
  return at::relu_(x);
}

at::Tensor relu_mask(at::Tensor z, const at::Tensor& y) {
  if (z.use_count() > 1) return at::threshold_backward(z, y, 0);
  at::threshold_backward_out(z, z, y, 0);
  return z;
}

at::Tensor relu6(at::Tensor x) {
  if (x.use_count() > 1) return at::hardtanh(x, 0, 6);
  return at::hardtanh_(x, 0, 6);
}

at::Tensor relu6_mask(at::Tensor z, const at::Tensor& y) {
  if (z.use_count() > 1) return at::hardtanh_backward(z, y, 0, 6);
  at::hardtanh_backward_out(z, z, y, 0, 6);
  return z;
}

}  // namespace l2t::ops
