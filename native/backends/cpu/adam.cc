#include <ATen/TensorOperators.h>

#include <cmath>

#include "native/backends/cpu/backend.h"

namespace l2t::backends::cpu {

void Cpu::adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient, const AdamState& state) const {
  const double steps = *state.steps.mutable_data_ptr<double>() += 1;
  const auto decayed = gradient + phi * adam.weight_decay;
  state.mean.mul_(Adam::kBeta1).add_(decayed, 1 - Adam::kBeta1);
  state.square.mul_(Adam::kBeta2).addcmul_(decayed, decayed, 1 - Adam::kBeta2);
  const double mean_correction = 1 - std::pow(Adam::kBeta1, steps);
  const double square_correction = 1 - std::pow(Adam::kBeta2, steps);
  const auto denominator = state.square.sqrt().div_(std::sqrt(square_correction)).add_(Adam::kEpsilon);
  phi.addcdiv_(state.mean, denominator, -adam.lr / mean_correction);
}

}  // namespace l2t::backends::cpu
