#include "native/bilevel/sgd.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>

#include "native/kernels/supports.h"

namespace l2t::bilevel {

void sgd_step(const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient, const Sgd& sgd) {
  if (kernels::supports(theta)) {
    kernels::sgd_step(sgd, theta, velocity, gradient, theta, velocity);
    return;
  }
  velocity.mul_(sgd.momentum).add_(gradient).add_(theta, sgd.weight_decay);
  theta.add_(velocity, -sgd.lr);
}

void virtual_sgd_step(at::Tensor& theta, at::Tensor& velocity, const at::Tensor& gradient, const Sgd& sgd) {
  if (kernels::supports(theta)) {
    const auto next_theta = at::empty_like(theta);
    const auto next_velocity = at::empty_like(velocity);
    kernels::sgd_step(sgd, theta, velocity, gradient, next_theta, next_velocity);
    theta = next_theta;
    velocity = next_velocity;
    return;
  }
  velocity = (velocity * sgd.momentum).add_(gradient).add_(theta, sgd.weight_decay);
  theta = theta - velocity * sgd.lr;
}

at::Tensor sgd_adjoint(const at::Tensor& a, at::Tensor& b, const Sgd& sgd) {
  if (kernels::supports(a)) {
    auto d = at::empty_like(a);
    kernels::sgd_adjoint(sgd, a, b, d);
    return d;
  }
  auto d = b - a * sgd.lr;
  a.add_(d, sgd.weight_decay);
  b = d * sgd.momentum;
  return d;
}

}  // namespace l2t::bilevel
