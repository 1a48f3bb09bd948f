#include "native/ops/relu.h"

#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>

namespace l2t::ops {

at::Tensor relu(const at::Tensor& x) { return at::relu(x); }

at::Tensor relu_mask(const at::Tensor& z, const at::Tensor& y) { return at::threshold_backward(z, y, 0); }

}  // namespace l2t::ops
