#pragma once
#include "native/backends/backend.h"

/// The matching loss of terms/matching.h on the CPU, for maps. The value
/// and its gradient take one pass over the map, and so do their tangents. A pass computes some rows at a time, so D is
/// never stored whole.
namespace l2t::backends::cpu {

/// L, T̄, W̄ and b̄.
MatchingSweep matching_gradient(const MatchingInputs& maps, const Pointwise& branches);

/// ė and, where `product`, T̄̇, W̄̇ and b̄̇ (undefined otherwise).
MatchingSweep matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot, const Pointwise& branches,
                               const Pointwise& branches_dot, bool product);

}  // namespace l2t::backends::cpu
