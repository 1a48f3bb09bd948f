#pragma once
#include <cstdint>
#include <optional>

#include "native/backends/cpu/loops.h"

namespace l2t::backends::cpu {

/// The form for a 3×3 convolution (stride 1, padding 1) on square maps of `side`; none where it is computed directly. A
/// form was faster for every shape that was measured (bench/README.md).
std::optional<Form> form_for(int64_t side, int64_t channels);

}  // namespace l2t::backends::cpu
