#pragma once
#include "native/backends/backend.h"

namespace l2t::backends::reference {

/// The operations of ops/ one by one, by LibTorch, on any device.
const Backend& backend();

/// The unit that begins with operation `first`.
Step unit_of(const Part& part, size_t first);

}  // namespace l2t::backends::reference
