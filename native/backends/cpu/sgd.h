#pragma once
#include "native/backends/backend.h"

/// SGD and its adjoint on the CPU, each in one pass. For flat, contiguous vectors of equal length.
namespace l2t::backends::cpu {

/// v' = μ v + ∇ + wd·θ, θ' = θ − α v'. Results may overwrite the operands.
void sgd_step(const SgdRates& rates, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
              const at::Tensor& next_theta, const at::Tensor& next_velocity);

/// d = b − α a; in place a ← a + wd·d, b ← μ d.
void sgd_adjoint(const SgdRates& rates, const at::Tensor& a, const at::Tensor& b, const at::Tensor& d);

}  // namespace l2t::backends::cpu
