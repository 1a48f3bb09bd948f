#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "native/kernels/loops.h"

namespace l2t::kernels {

/// How 3×3 convolutions are computed. kAuto: in the domain of a form where that is possible, which was faster for every
/// shape that was measured (bench/README.md). kWinograd: the same, and an error where it is possible for none. kDirect:
/// never.
enum class Convolution { kAuto, kWinograd, kDirect };

/// "auto", "winograd" or "direct"; throws INVALID_OPTION.
Convolution convolution_named(const std::string& name);

/// The form for a 3×3 convolution (stride 1, padding 1) on square maps of `side`; none where it is computed directly.
std::optional<Form> form_for(Convolution convolution, int64_t side, int64_t channels);

}  // namespace l2t::kernels
