#pragma once
#include "native/backends/cpu/loops.h"
#include "native/backends/fused_unit.h"

namespace l2t::backends::cpu {

struct ConvUnitSpec {
  Geometry geometry;
  UnitEnd end;
  nets::Conv2d conv;
  nets::BatchNorm norm;
  bool input;  // x̄ is wanted
  Sweeps sweeps;
  SharedBatch whole;  // the images of batch norm's statistics
};

/// A fused unit: a convolution, batch norm with batch statistics, and a residual, ReLU and a max-pool where they
/// follow: y = W ∗ x, x̂ = s (y − μ), z = ReLU(γ x̂ + β + skip). It computes what the sweeps of ops/conv2d.h,
/// batch_norm.h, add.h, relu.h and max_pool.h compute one after the other, on the CPU, in float or double. The
/// convolution is a product of matrices in the domain of a form (loops.h), and the sweeps share its transforms. U and V
/// are one matrix each for a frequency: U = G W Gᵀ, V = Bᵀ x B.
///
///   forward           y = Aᵀ (V Uᵀ) A
///   backward          Ȳ = A ȳ Aᵀ ;  x̄ = B (Ȳ U) Bᵀ ;  W̄ = Gᵀ (Ȳᵀ V) G
///   tangent           ẏ = Aᵀ (V̇ Uᵀ + V U̇ᵀ) A
///   tangent_backward  x̄̇ = B (Ȳ̇ U + Ȳ U̇) Bᵀ ;  W̄̇ = Gᵀ (Ȳ̇ᵀ V + Ȳᵀ V̇) G
///
/// Its inputs are x and, where one is added, the residual; its outputs z and, where one follows, the max-pool. Maps are
/// B × C × H × H, channels last; parameters and their gradients contiguous. The unit may keep the residual's cotangent,
/// so that must not be changed. Each sweep exchanges batch norm's sums with the other ranks. `type`: float
/// or double.
std::unique_ptr<Unit> make_conv_unit(const ConvUnitSpec& spec, at::ScalarType type);

}  // namespace l2t::backends::cpu
