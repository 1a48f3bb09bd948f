#pragma once
#include "native/terms/terms.h"

/// Variational information distillation (Ahn et al. 2019), a sum over pairs: the target's map predicts the source's,
/// with a variance for each channel. S is resized to T's size; μ = r(T) by a 1×1 convolution; D = μ − S; σ² =
/// softplus(ρ) + 1e-5 for each of the source's channels:
///
///   forward    L = κ mean ½ (D²/σ² + log σ²)   over images, channels and places
///   backward   μ̄ = κ D / (σ² N) ;  T̄, r̄ through the convolution ;  ρ̄ = κ/N Σ ½ (1/σ² − D²/σ⁴) · sigmoid(ρ)
///
/// N = B C_m H W. L may be negative. The slice `vid.i` of pair i: r's weight and bias as those of matching, and ρ,
/// which starts where σ² is `vidVariance`. κ: `vidWeight`.
namespace l2t::terms {

/// One pair. `rho`: C_m.
struct VidParameters {
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor rho;
};
struct VidValue {
  MapLoss of_map;
  VidParameters bar;
};
/// `images`: B of the whole batch.
VidValue vid_value(const at::Tensor& s, const at::Tensor& t, const VidParameters& parameters, double weight,
                   int64_t images);

constexpr double kSmallestVariance = 1e-5;

}  // namespace l2t::terms
