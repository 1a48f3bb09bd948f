#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace l2t::bilevel {

/// Adam (Kingma & Ba 2015) with β₁ 0.9, β₂ 0.999, ε 1e-8 after bias correction; weight decay is added to the gradient.
struct Adam {
  double lr;
  double weight_decay;
};

struct AdamState {
  at::Tensor mean;
  at::Tensor square;
  int64_t steps = 0;
};

/// In place on φ and the state; flat vectors of equal length.
void adam_step(const at::Tensor& phi, AdamState& state, const at::Tensor& gradient, const Adam& adam);

}  // namespace l2t::bilevel
