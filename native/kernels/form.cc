#include "native/kernels/form.h"

#include "native/core/error.h"

namespace l2t::kernels {

Convolution convolution_named(const std::string& name) {
  if (name == "auto") return Convolution::kAuto;
  if (name == "winograd") return Convolution::kWinograd;
  if (name == "direct") return Convolution::kDirect;
  throw Error("INVALID_OPTION", "Unknown convolution '" + name + "': use auto, winograd, or direct.");
}

std::optional<Form> form_for(Convolution convolution, int64_t side, int64_t in, int64_t out) {
  constexpr int64_t kFewChannels = 8;
  constexpr int64_t kGaining = 16;
  if (convolution == Convolution::kDirect || side < 2) return {};
  if (in < kFewChannels) return Form::kPatches;
  if (convolution == Convolution::kAuto && (in < kGaining || out < kGaining)) return {};
  return side == 2 ? Form::kTwoByTwo : Form::kFourByFour;
}

}  // namespace l2t::kernels
