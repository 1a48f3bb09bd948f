#include "native/bilevel/sgd.h"

namespace l2t::bilevel {

void sgd_step(const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient, const Sgd& sgd) {
  velocity.mul_(sgd.momentum).add_(gradient).add_(theta, sgd.weight_decay);
  theta.add_(velocity, -sgd.lr);
}

}  // namespace l2t::bilevel
