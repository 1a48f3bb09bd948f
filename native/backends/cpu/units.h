#pragma once
#include "native/backends/backend.h"

namespace l2t::backends::cpu {

/// Fused units (conv_unit.h) for 3×3 convolutions with the batch norm, residual, ReLU and max-pool that follow; the
/// reference's for the other operations.
std::vector<Step> units(const Part& part);

}  // namespace l2t::backends::cpu
