#pragma once
#include <ATen/core/Tensor.h>

/// The matching loss of transfer/matching_loss.h on the CPU, for maps that the kernels support (supports.h). The value
/// and its gradient take one pass over the map, and so do their tangents. A pass computes some rows at a time, so D is
/// never stored whole.
namespace l2t::kernels {

/// T: B × C_n × H × W; S: B × C × H × W; k: B × C.
struct MatchingInputs {
  const at::Tensor& t;
  const at::Tensor& source;
  const at::Tensor& coefficient;
};

/// A 1×1 convolution's parameters or gradients: C × C_n × 1 × 1 and C.
struct Pointwise {
  at::Tensor weight;
  at::Tensor bias;
};

struct MatchingSweep {
  at::Tensor value;  // L, or ė (B × C)
  at::Tensor t_bar;  // of the gradient, or of its tangent
  Pointwise bar;
};

/// L, T̄, W̄ and b̄.
MatchingSweep matching_gradient(const MatchingInputs& maps, const Pointwise& branches);

/// ė and, where `product`, T̄̇, W̄̇ and b̄̇ (undefined otherwise).
MatchingSweep matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot, const Pointwise& branches,
                               const Pointwise& branches_dot, bool product);

}  // namespace l2t::kernels
