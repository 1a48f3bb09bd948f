#pragma once
#include <ATen/core/Tensor.h>

/// The vector operations of bilevel/sgd.h on the CPU, each in one pass. For flat, contiguous vectors of equal length
/// that the kernels support (supports.h).
namespace l2t::kernels {

struct SgdRates {
  double lr;
  double momentum;
  double weight_decay;
};

/// v' = μ v + ∇ + wd·θ, θ' = θ − α v'. Results may overwrite the operands.
void sgd_step(const SgdRates& rates, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
              const at::Tensor& next_theta, const at::Tensor& next_velocity);

/// d = b − α a; in place a ← a + wd·d, b ← μ d.
void sgd_adjoint(const SgdRates& rates, const at::Tensor& a, const at::Tensor& b, const at::Tensor& d);

}  // namespace l2t::kernels
