#pragma once
#include <ATen/core/Tensor.h>

#include "native/kernels/sgd.h"

namespace l2t::bilevel {

/// SGD with momentum μ and weight decay wd at learning rate α: `v ← μ v + ∇ + wd·θ ; θ ← θ − α v`. It acts on every
/// parameter, also where ∇ = 0. Vectors below are flat and of equal length.
using Sgd = kernels::SgdRates;

/// In place.
void sgd_step(const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient, const Sgd& sgd);

/// To new vectors: whoever holds the old ones keeps them.
void virtual_sgd_step(at::Tensor& theta, at::Tensor& velocity, const at::Tensor& gradient, const Sgd& sgd);

/// One step of SGD's adjoint, in place on a = ∂L/∂θ, b = ∂L/∂v: both of step t + 1 become the direction
/// d = b − α a, which is returned, with a ← a + wd·d (the Hessian's part is added by the caller) and b ← μ d.
at::Tensor sgd_adjoint(const at::Tensor& a, at::Tensor& b, const Sgd& sgd);

}  // namespace l2t::bilevel
