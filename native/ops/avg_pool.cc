#include "native/ops/avg_pool.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mean.h>

namespace l2t::ops {

at::Tensor avg_pool(const at::Tensor& x) { return at::mean(x, {2, 3}); }

at::Tensor avg_pool_backward(const at::Tensor& y_bar, const at::Tensor& x) {
  const auto shared = y_bar / static_cast<double>(x.size(2) * x.size(3));
  return shared.view({x.size(0), x.size(1), 1, 1}).expand_as(x).contiguous(x.suggest_memory_format());
}

}  // namespace l2t::ops
