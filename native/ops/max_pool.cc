#include "native/ops/max_pool.h"

#include <ATen/ops/gather.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/max_pool2d_with_indices_backward.h>

namespace l2t::ops {

at::Tensor max_pool(const at::Tensor& x, MaxPoolWindow window, at::Tensor& places) {
  auto [y, indices] = at::max_pool2d_with_indices(x, {window.kernel, window.kernel}, {window.stride, window.stride},
                                                  {window.padding, window.padding});
  places = std::move(indices);
  return y;
}

at::Tensor max_pool_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& places,
                             MaxPoolWindow window) {
  return at::max_pool2d_with_indices_backward(y_bar, x, {window.kernel, window.kernel}, {window.stride, window.stride},
                                              {window.padding, window.padding}, {1, 1}, /*ceil_mode=*/false, places);
}

at::Tensor max_pool_tangent(const at::Tensor& x_dot, const at::Tensor& places) {
  const auto picked = at::gather(x_dot.flatten(2), 2, places.flatten(2)).view(places.sizes());
  return picked.contiguous(places.suggest_memory_format());
}

}  // namespace l2t::ops
