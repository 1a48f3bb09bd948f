#pragma once
#include <ATen/core/Tensor.h>

/// max-pool, y_i = x_{a(i)}, a(i) the place of the window's maximum: linear once a is known.
///
///   forward            y = x[a]        backward           x̄ = scatter-add of ȳ to a
///   tangent            ẏ = ẋ[a]        tangent_backward   x̄̇ = scatter-add of ȳ̇ to a
namespace l2t::ops {

struct MaxPoolWindow {
  int64_t kernel;
  int64_t stride;
  int64_t padding;
};

/// `places` becomes a: int64, y's shape, flat indices into H·W.
at::Tensor max_pool(const at::Tensor& x, MaxPoolWindow window, at::Tensor& places);

/// backward of ȳ, and tangent_backward of ȳ̇; x gives the shape.
at::Tensor max_pool_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& places,
                             MaxPoolWindow window);

at::Tensor max_pool_tangent(const at::Tensor& x_dot, const at::Tensor& places);

}  // namespace l2t::ops
