#pragma once
#include <ATen/core/Tensor.h>

#include "native/core/reducer.h"

/// Batch normalisation with batch statistics, per channel over the N = B·H·W places of x: B × C × H × W.
/// m = mean x, s = 1/√(var x + ε) (biased), x̂ = (x − m) s.
///
///   forward            y  = γ x̂ + β
///   backward           β̄  = Σ ȳ        γ̄ = Σ ȳ x̂        x̄ = γ s P(ȳ),   P(z) = z − mean z − x̂ mean(x̂ z)
///   tangent            x̂̇  = s P(ẋ)     ẏ = γ̇ x̂ + γ x̂̇ + β̇            (P is self-adjoint: the same sweep as backward)
///   tangent_backward   β̄̇  = Σ ȳ̇        γ̄̇ = Σ ȳ̇ x̂ + Σ ȳ x̂̇
///                      x̄̇  = γ s P(ȳ̇) + (γ̇ s + γ ṡ) P(ȳ) − γ s (x̂̇ γ̄ + x̂ Σ ȳ x̂̇)/N,    ṡ = −s² mean(x̂ ẋ)
///
/// Once its sums are known, every tangent is an affine function of the maps, channel by channel. Where the ranks
/// share the batch, B is the whole batch's, and every mean and Σ is over all ranks: one exchange a sweep, of two
/// or three numbers a channel.
namespace l2t::ops {

/// m and s, each C, and the batch that they are of.
struct BatchStatistics {
  at::Tensor mean;
  at::Tensor invstd;
  SharedBatch whole;
};

struct BatchNormGradient {
  at::Tensor x_bar;
  at::Tensor scale_bar;
  at::Tensor shift_bar;
};

struct BatchNormTangent {
  at::Tensor y_dot;
  /// Σ ẋ x̂ and Σ ẋ, each C, for tangent_backward.
  at::Tensor sum_x_dot_x_hat;
  at::Tensor sum_x_dot;
};

/// Moves running_mean and running_var (momentum, unbiased variance) where they are defined.
at::Tensor batch_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                      const at::Tensor& running_mean, const at::Tensor& running_var, double momentum, double epsilon,
                      const SharedBatch& whole, BatchStatistics& statistics);

BatchNormGradient batch_norm_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& scale,
                                      const BatchStatistics& statistics);

BatchNormTangent batch_norm_tangent(const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& scale,
                                    const at::Tensor& scale_dot, const at::Tensor& shift_dot,
                                    const BatchStatistics& statistics);

/// Tangents of batch_norm_backward's results. `bar`: those results without x_bar, which is not kept between the sweeps:
/// this computes it again from ȳ and the sums, and writes it to `bar`. Two passes more save a map on the tape.
BatchNormGradient batch_norm_tangent_backward(const at::Tensor& y_bar, const at::Tensor& y_bar_dot, const at::Tensor& x,
                                              const at::Tensor& x_dot, const at::Tensor& scale,
                                              const at::Tensor& scale_dot, const BatchStatistics& statistics,
                                              const BatchNormTangent& tangent, BatchNormGradient& bar);

}  // namespace l2t::ops
