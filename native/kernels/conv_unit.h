#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/kernels/domain.h"

namespace l2t::kernels {

/// One of a unit's values for each of its parameters, contiguous: W (C_out × C × 3 × 3), γ and β (C_out).
struct UnitParameters {
  at::Tensor weight;
  at::Tensor scale;
  at::Tensor shift;
};

/// Batch norm's running statistics, and the convolution's bias, which moves nothing else: batch norm takes it off
/// again.
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

/// What a unit reads, its tangent (undefined: zero) or cotangent (undefined: not wanted).
struct UnitInput {
  at::Tensor x;
  at::Tensor skip;  // the residual, where one is added; its cotangent is shared with the unit
};

/// A 3×3 convolution (stride 1, padding 1) and batch norm with batch statistics, with what follows, fused: y = W ∗ x,
/// z = ReLU(γ x̂ + β + skip), x̂ = s (y − μ), and z's max-pool. The sweeps of ops/conv2d.h, batch_norm.h, add.h, relu.h
/// and max_pool.h one after the other, on the CPU in float or double, with the convolution's products in the domain of
/// a form (winograd.h), where the sweeps share their transforms. With V = Bᵀ x B, U = G W Gᵀ, a matrix for each
/// frequency:
///
///   forward           y = Aᵀ (V Uᵀ) A
///   backward          Ȳ = A ȳ Aᵀ ;  x̄ = B (Ȳ U) Bᵀ ;  W̄ = Gᵀ (Ȳᵀ V) G
///   tangent           ẏ = Aᵀ (V̇ Uᵀ + V U̇ᵀ) A
///   tangent_backward  x̄̇ = B (Ȳ̇ U + Ȳ U̇) Bᵀ ;  W̄̇ = Gᵀ (Ȳ̇ᵀ V + Ȳᵀ V̇) G
///
/// Call them in that order; a later one reads what the earlier ones kept. Maps are B × C × H × H, channels last.
class ConvUnit {
 public:
  ConvUnit(Form form, UnitEnd then) : form_(form), then_(then) {}

  /// z and, where it follows, its max-pool. `statistics`: moved where given.
  Pooled forward(const UnitInput& input, const UnitParameters& parameters, double epsilon,
                 const UnitStatistics* statistics);

  /// From z̄ and the max-pool's cotangent (one may be undefined: zero). Writes the parameters' gradients. `x`:
  /// x̄ is wanted. `keep`: tangent_backward will follow.
  UnitInput backward(Pooled z_bar, const UnitParameters& gradient, bool x, bool keep);

  /// ż and, where it follows, its max-pool's tangent. `keep`: tangent_backward will follow.
  Pooled tangent(const UnitInput& input_dot, const UnitParameters& parameters_dot, bool keep);

  /// Writes the tangents of the parameters' gradients and returns those of backward's cotangents. Drops what tangent
  /// kept.
  UnitInput tangent_backward(Pooled z_bar_dot, const UnitParameters& gradient_dot, bool x);

 private:
  template <class T>
  struct Sweeps;

  Form form_;
  UnitEnd then_;
  Geometry x_{};
  int64_t out_ = 0;
  // By forward. V and U are large and cheap to make: backward drops them, and later sweeps make them again.
  at::Tensor map_;  // x
  at::Tensor v_;
  at::Tensor weight_;
  at::Tensor u_;
  at::Tensor y_;
  at::Tensor z_;
  std::vector<double> scale_;
  std::vector<double> mean_;
  std::vector<double> invstd_;
  // By backward: g = z̄ where z > 0, Σ g and Σ g x̂, of which tangent_backward makes Ȳ again.
  at::Tensor g_;
  std::vector<double> sum_g_;
  std::vector<double> sum_g_x_hat_;
  // By tangent: Σ ẏ and Σ ẏ x̂ and the rest.
  at::Tensor v_dot_;
  at::Tensor u_dot_;
  at::Tensor y_dot_;
  std::vector<double> scale_dot_;
  std::vector<double> sum_y_dot_;
  std::vector<double> sum_y_dot_x_hat_;
};

}  // namespace l2t::kernels
