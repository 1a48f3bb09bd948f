#include "native/ops/avg_pool.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mean.h>

namespace l2t::ops {
namespace {

/// P: k × length, made on the device.
at::Tensor bins(int64_t k, int64_t length, const at::TensorOptions& options) {
  const auto whole = options.dtype(at::kLong);
  const auto i = at::arange(k, whole).unsqueeze(1);
  const auto begin = (i * length).div(k, "floor");
  const auto end = ((i + 1) * length + (k - 1)).div(k, "floor");
  const auto place = at::arange(length, whole).unsqueeze(0);
  const auto inside = (place >= begin) & (place < end);
  return inside.to(options.dtype()) / (end - begin).to(options.dtype());
}

}  // namespace

at::Tensor avg_pool(const at::Tensor& x) { return at::mean(x, {2, 3}); }

at::Tensor avg_pool_backward(const at::Tensor& y_bar, const at::Tensor& x) {
  const auto shared = y_bar / static_cast<double>(x.size(2) * x.size(3));
  return shared.view({x.size(0), x.size(1), 1, 1}).expand_as(x).contiguous(x.suggest_memory_format());
}

at::Tensor adaptive_avg_pool(const at::Tensor& x, int64_t side) {
  const auto rows = bins(side, x.size(2), x.options());
  const auto columns = bins(side, x.size(3), x.options());
  return at::matmul(at::matmul(rows, x), columns.t()).contiguous(x.suggest_memory_format());
}

at::Tensor adaptive_avg_pool_backward(const at::Tensor& y_bar, const at::Tensor& x) {
  const auto rows = bins(y_bar.size(2), x.size(2), x.options());
  const auto columns = bins(y_bar.size(3), x.size(3), x.options());
  return at::matmul(at::matmul(rows.t(), y_bar), columns).contiguous(x.suggest_memory_format());
}

}  // namespace l2t::ops
