#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "native/kernels/loops.h"

namespace l2t::kernels {

/// Which convolutions run in the domain of a form: those that can, which was faster for every shape that was measured
/// (bench/README.md); the same, and whoever asks for it is told where none can; or none.
enum class Convolution { kAuto, kWinograd, kDirect };

/// "auto", "winograd" or "direct"; throws INVALID_OPTION.
Convolution convolution_named(const std::string& name);

/// The form of a 3×3 convolution (stride 1, padding 1) on square maps of `side`, or none: the plain operations.
std::optional<Form> form_for(Convolution convolution, int64_t side, int64_t channels);

}  // namespace l2t::kernels
