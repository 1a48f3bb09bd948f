#pragma once
#include <optional>
#include <vector>

#include "native/backends/backend.h"

namespace l2t::backends {

/// The operations after batch norm in a fused unit: a residual is added, then ReLU, then a 2×2 max-pool.
struct UnitEnd {
  bool add;
  bool relu;
  bool pool;
};

/// A fused unit's place in a network. Its inputs are x and, where one is added, the residual; its outputs the map and,
/// where one follows, the max-pool.
struct FusedUnit {
  nets::Conv2d conv;
  nets::BatchNorm norm;
  UnitEnd end;
  bool input;  // x̄ is wanted
  std::vector<int> inputs;
  std::vector<int> outputs;
};

/// The unit that begins with operation i; none where that is no convolution before batch norm, or where a feature lies
/// between them. `sides`: of all values.
std::optional<FusedUnit> fused_unit_at(const Part& part, const std::vector<int64_t>& sides, size_t i);

}  // namespace l2t::backends
