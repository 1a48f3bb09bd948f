#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "native/kernels/loops.h"

namespace l2t::kernels {

/// Which convolutions run in the domain of a form: those that gain, all that can, or none.
enum class Convolution { kAuto, kWinograd, kDirect };

/// "auto", "winograd" or "direct"; throws INVALID_OPTION.
Convolution convolution_named(const std::string& name);

/// The form of a 3×3 convolution (stride 1, padding 1) on square maps of `side`, or none: the plain operations.
std::optional<Form> form_for(Convolution convolution, int64_t side, int64_t in, int64_t out);

}  // namespace l2t::kernels
