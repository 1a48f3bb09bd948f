#pragma once
#include "native/backends/backend.h"

namespace l2t::backends::cpu {

/// The CPU's own kernels: fused units in the Winograd domain (conv_unit.h), the matching loss and SGD in one pass each;
/// the reference's units elsewhere.
const Backend& backend();

/// Whether the kernels can compute with such tensors: float and double on the CPU.
bool supports(const at::TensorOptions& options);

}  // namespace l2t::backends::cpu
