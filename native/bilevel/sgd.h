#pragma once
#include <ATen/core/Tensor.h>

namespace l2t::bilevel {

/// SGD with momentum μ and weight decay wd at learning rate α; it acts on every parameter, also where ∇ = 0.
struct Sgd {
  double lr;
  double momentum;
  double weight_decay;
};

/// In place: v ← μ v + ∇ + wd·θ ;  θ ← θ − α v. Flat vectors of equal length.
void sgd_step(const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient, const Sgd& sgd);

}  // namespace l2t::bilevel
