#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/backends/cpu/domain.h"

namespace l2t::backends::cpu {

/// A unit's parameters, or their gradients or tangents, contiguous: W (C_out × C × 3 × 3), γ and β (C_out).
struct UnitParameters {
  at::Tensor weight;
  at::Tensor scale;
  at::Tensor shift;
};

/// Batch norm's running statistics. The convolution's bias shifts the running mean and nothing else, since batch norm
/// subtracts it again.
struct UnitStatistics {
  at::Tensor mean;
  at::Tensor variance;
  at::Tensor bias;  // may be undefined
  double momentum;
};

/// What follows batch norm in a unit: a residual is added, then ReLU, then a 2×2 max-pool.
struct UnitEnd {
  bool add;
  bool relu;
  bool pool;
};

/// A unit's inputs; or their tangents (undefined: zero), or their cotangents (undefined: not wanted).
struct UnitInput {
  at::Tensor x;
  at::Tensor skip;  // the residual, where one is added; the unit may keep its cotangent, so it must not be changed
};

/// A fused unit: a 3×3 convolution (stride 1, padding 1), batch norm with batch statistics, and where they follow a
/// residual, ReLU and a max-pool: y = W ∗ x, x̂ = s (y − μ), z = ReLU(γ x̂ + β + skip). It computes what the sweeps of
/// ops/conv2d.h, batch_norm.h, add.h, relu.h and max_pool.h compute one after the other, on the CPU, in float or
/// double. The convolution is a product of matrices in the domain of a form (winograd.h), and the sweeps share its
/// transforms. With V = Bᵀ x B and U = G W Gᵀ, one matrix each for a frequency:
///
///   forward           y = Aᵀ (V Uᵀ) A
///   backward          Ȳ = A ȳ Aᵀ ;  x̄ = B (Ȳ U) Bᵀ ;  W̄ = Gᵀ (Ȳᵀ V) G
///   tangent           ẏ = Aᵀ (V̇ Uᵀ + V U̇ᵀ) A
///   tangent_backward  x̄̇ = B (Ȳ̇ U + Ȳ U̇) Bᵀ ;  W̄̇ = Gᵀ (Ȳ̇ᵀ V + Ȳᵀ V̇) G
///
/// Call them in that order: each sweep reads what the sweeps before it kept. Maps are B × C × H × H, channels last.
class ConvUnit {
 public:
  ConvUnit(Form form, UnitEnd then) : form_(form), then_(then) {}

  /// Returns z and its max-pool. Moves `statistics` where they are given.
  MapAndPool forward(const UnitInput& input, const UnitParameters& parameters, double epsilon,
                     const UnitStatistics* statistics);

  /// Takes the cotangents of z and of its max-pool (undefined: zero). Writes the parameters' gradients. `x`: x̄ is
  /// wanted. `keep`: tangent_backward will follow.
  UnitInput backward(MapAndPool z_bar, const UnitParameters& gradient, bool x, bool keep);

  /// Returns ż and its max-pool's tangent. `keep`: tangent_backward will follow.
  MapAndPool tangent(const UnitInput& input_dot, const UnitParameters& parameters_dot, bool keep);

  /// Writes the tangents of the parameters' gradients and returns those of backward's cotangents. Drops what tangent
  /// kept.
  UnitInput tangent_backward(MapAndPool z_bar_dot, const UnitParameters& gradient_dot, bool x);

 private:
  template <class T>
  struct Sweeps;

  Form form_;
  UnitEnd then_;
  Geometry x_{};
  int64_t out_ = 0;
  // Kept by forward. V and U are large and cheap to make: backward drops them, and later sweeps make them again.
  at::Tensor map_;  // x
  at::Tensor v_;
  at::Tensor weight_;
  at::Tensor u_;
  at::Tensor y_;
  at::Tensor z_;
  std::vector<double> scale_;
  std::vector<double> mean_;
  std::vector<double> invstd_;
  // Kept by backward: g = z̄ where z > 0, Σ g and Σ g x̂, from which tangent_backward makes Ȳ again.
  at::Tensor g_;
  std::vector<double> sum_g_;
  std::vector<double> sum_g_x_hat_;
  // Kept by tangent.
  at::Tensor v_dot_;
  at::Tensor u_dot_;
  at::Tensor y_dot_;
  std::vector<double> scale_dot_;
  std::vector<double> sum_y_dot_;
  std::vector<double> sum_y_dot_x_hat_;
};

}  // namespace l2t::backends::cpu
