#pragma once
#include "native/backends/backend.h"

namespace l2t::bilevel {

/// SGD with momentum μ and weight decay wd at learning rate α: `v ← μ v + ∇ + wd·θ ; θ ← θ − α v`. It acts on every
/// parameter, also where ∇ = 0. Its adjoint goes from a = ∂L/∂θ and b = ∂L/∂v at the step's end to the direction
/// d = b − α a, and a ← a + wd·d (the caller adds the Hessian's part), b ← μ d. A backend computes both.
using Sgd = backends::SgdRates;

}  // namespace l2t::bilevel
