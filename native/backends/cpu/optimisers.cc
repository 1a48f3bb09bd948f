#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>

#include <cmath>

#include "native/backends/cpu/backend.h"

namespace l2t::backends::cpu {
namespace {

constexpr int64_t kGrain = 65536;

template <class T>
void step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
          const at::Tensor& next_theta, const at::Tensor& next_velocity) {
  const auto lr = static_cast<T>(*sgd.lr.const_data_ptr<double>());
  const auto momentum = static_cast<T>(sgd.momentum);
  const auto weight_decay = static_cast<T>(sgd.weight_decay);
  const auto* const at = theta.const_data_ptr<T>();
  const auto* const v = velocity.const_data_ptr<T>();
  const auto* const g = gradient.const_data_ptr<T>();
  auto* const to = next_theta.data_ptr<T>();
  auto* const next_v = next_velocity.data_ptr<T>();
  at::parallel_for(0, theta.numel(), kGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const T moved = momentum * v[i] + g[i] + weight_decay * at[i];
      to[i] = at[i] - lr * moved;
      next_v[i] = moved;
    }
  });
}

template <class T>
void adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b, const at::Tensor& d) {
  const auto lr = static_cast<T>(*sgd.lr.const_data_ptr<double>());
  const auto momentum = static_cast<T>(sgd.momentum);
  const auto weight_decay = static_cast<T>(sgd.weight_decay);
  auto* const of_theta = a.data_ptr<T>();
  auto* const of_velocity = b.data_ptr<T>();
  auto* const direction = d.data_ptr<T>();
  at::parallel_for(0, a.numel(), kGrain, [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const T along = of_velocity[i] - lr * of_theta[i];
      direction[i] = along;
      of_theta[i] += weight_decay * along;
      of_velocity[i] = momentum * along;
    }
  });
}

}  // namespace

void Cpu::sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
                   const at::Tensor& next_theta, const at::Tensor& next_velocity) const {
  const auto run = theta.scalar_type() == at::kFloat ? step<float> : step<double>;
  run(sgd, theta, velocity, gradient, next_theta, next_velocity);
}

at::Tensor Cpu::sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b) const {
  auto d = at::empty_like(a);
  const auto run = a.scalar_type() == at::kFloat ? adjoint<float> : adjoint<double>;
  run(sgd, a, b, d);
  return d;
}

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
