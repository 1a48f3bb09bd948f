#pragma once
#include <ATen/core/Tensor.h>

#include "native/kernels/sgd.h"

namespace l2t::bilevel {

/// SGD with momentum μ and weight decay wd at learning rate α: `v ← μ v + ∇ + wd·θ ; θ ← θ − α v`. It acts on every
/// parameter, also where ∇ = 0. Vectors below are flat and of equal length.
using Sgd = kernels::SgdRates;

/// Moves θ and v in place.
void sgd_step(const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient, const Sgd& sgd);

/// Writes to new vectors, so the old ones stay as they are for those that hold them.
void virtual_sgd_step(at::Tensor& theta, at::Tensor& velocity, const at::Tensor& gradient, const Sgd& sgd);

/// One step of SGD's adjoint. From a = ∂L/∂θ and b = ∂L/∂v at the step's end it returns the direction d = b − α a, and
/// sets a ← a + wd·d (the caller adds the Hessian's part) and b ← μ d.
at::Tensor sgd_adjoint(const at::Tensor& a, at::Tensor& b, const Sgd& sgd);

}  // namespace l2t::bilevel
