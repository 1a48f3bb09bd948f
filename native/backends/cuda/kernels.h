#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/backends/backend.h"

/// The own kernels on tensors, each one launch. Maps are channels last in memory; all tensors of a call have one type,
/// float or double, unless noted. An undefined tensor means that there is none. batch_norm.h, matching.h,
/// rows.h and vectors.h hold their bodies and formulas.
namespace l2t::backends::cuda {

/// The tensors that the sweeps of a unit share: those of batch norm of y, and of the operations after it.
struct Norm {
  bool relu;
  bool pool;
  at::Tensor scale;   // γ
  at::Tensor y;       // B × C × H × W
  at::Tensor z;       // made by norm_forward
  at::Tensor pooled;  // made by norm_forward where there is a pool
  at::Tensor places;  // uint8, like `pooled`
  at::Tensor mean;    // float64, C
  at::Tensor invstd;  // float64, C
};

struct RunningStatistics {
  at::Tensor mean;
  at::Tensor variance;
  at::Tensor bias;  // of the convolution, which y lacks
};

/// Makes z, pooled, places, mean and invstd; moves the running statistics where they are defined.
void norm_forward(Norm& norm, const at::Tensor& shift, const at::Tensor& skip, const RunningStatistics& running);

/// Cotangents, or their tangents, of z and of the pooled map.
struct OutputBars {
  at::Tensor z;
  at::Tensor pooled;
};

/// float64, C.
struct NormSums {
  at::Tensor first;
  at::Tensor second;
};

struct NormBars {
  at::Tensor g;
  at::Tensor y_bar;
  NormSums sums;  // Σ g, Σ g x̂
};
/// Writes γ̄ and β̄. `keep`: g is kept, so ȳ is another tensor.
NormBars norm_backward(const Norm& norm, const OutputBars& bars, bool keep, const at::Tensor& scale_bar,
                       const at::Tensor& shift_bar);

struct NormDots {
  at::Tensor z;
  at::Tensor pooled;
  NormSums sums;  // Σ ẏ, Σ ẏ x̂
};
/// y_dot: in Ẇ∗x, out ẏ, with y_dot_2 = W∗ẋ added.
NormDots norm_tangent(const Norm& norm, const at::Tensor& y_dot, const at::Tensor& y_dot_2, const at::Tensor& scale_dot,
                      const at::Tensor& shift_dot, const at::Tensor& skip_dot);

struct NormBarDots {
  at::Tensor g_dot;
  at::Tensor y_bar_dot;
  at::Tensor y_bar;
};
NormBarDots norm_tangent_backward(const Norm& norm, const OutputBars& bar_dots, const at::Tensor& g,
                                  const NormSums& g_sums, const at::Tensor& y_dot, const NormSums& y_dot_sums,
                                  const at::Tensor& scale_dot, const at::Tensor& scale_bar_dot,
                                  const at::Tensor& shift_bar_dot);

/// With running statistics: {z} or {z, pooled}.
std::vector<at::Tensor> norm_inference(const at::Tensor& y, bool relu, bool pool, const at::Tensor& scale,
                                       const at::Tensor& shift, const at::Tensor& skip,
                                       const RunningStatistics& running);

/// A tensor of θ's gradient and the results of LibTorch whose sum it is: one, two, or none (zero).
struct Gradient {
  at::Tensor to;
  at::Tensor first;
  at::Tensor second;
};
void write_gradients(const std::vector<Gradient>& gradients);

/// L; d = W T + b becomes D̄.
at::Tensor matching_gradient(const MatchingInputs& maps, const at::Tensor& d);
/// ė; where `product`, d becomes D̄ and d_dot, which is W Ṫ, becomes D̄̇. d_dot_2 = Ẇ T + ḃ.
at::Tensor matching_tangent(const MatchingInputs& maps, const at::Tensor& d, const at::Tensor& d_dot,
                            const at::Tensor& d_dot_2, bool product);

void sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
              const at::Tensor& next_theta, const at::Tensor& next_velocity);
at::Tensor sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b);
void adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient, const AdamState& state);

CrossEntropy cross_entropy(const at::Tensor& z, const ops::Labels& labels);
at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot, const ops::Labels& labels);

/// w and λ from f's logits z.
ops::Importance importance(const at::Tensor& z, const at::Tensor& s, const ops::ImportanceNetworks& networks);
/// Returns z̄; writes all of `bar` but f's weight.
at::Tensor importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const ops::Importance& importance,
                               double scale, const ops::ImportanceNetworks& bar);

}  // namespace l2t::backends::cuda
