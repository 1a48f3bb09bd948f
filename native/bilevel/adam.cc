#include "native/bilevel/adam.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace l2t::bilevel {

void adam_step(const at::Tensor& phi, AdamState& state, const at::Tensor& gradient, const Adam& adam) {
  constexpr double kBeta1 = 0.9;
  constexpr double kBeta2 = 0.999;
  constexpr double kEpsilon = 1e-8;
  ++state.steps;
  const auto decayed = gradient + phi * adam.weight_decay;
  state.mean.mul_(kBeta1).add_(decayed, 1 - kBeta1);
  state.square.mul_(kBeta2).addcmul_(decayed, decayed, 1 - kBeta2);
  const double mean_correction = 1 - std::pow(kBeta1, static_cast<double>(state.steps));
  const double square_correction = 1 - std::pow(kBeta2, static_cast<double>(state.steps));
  const auto denominator = state.square.sqrt().div_(std::sqrt(square_correction)).add_(kEpsilon);
  phi.addcdiv_(state.mean, denominator, -adam.lr / mean_correction);
}

}  // namespace l2t::bilevel
