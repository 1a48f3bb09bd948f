#include "native/kernels/form.h"

#include "native/core/error.h"

namespace l2t::kernels {

Convolution convolution_named(const std::string& name) {
  if (name == "auto") return Convolution::kAuto;
  if (name == "winograd") return Convolution::kWinograd;
  if (name == "direct") return Convolution::kDirect;
  throw Error("INVALID_OPTION", "Unknown convolution '" + name + "': use auto, winograd, or direct.");
}

std::optional<Form> form_for(Convolution convolution, int64_t side, int64_t channels) {
  constexpr int64_t kFewChannels = 8;
  if (convolution == Convolution::kDirect || side < 2) return {};
  if (channels < kFewChannels) return Form::kPatches;
  return side == 2 ? Form::kTwoByTwo : Form::kFourByFour;
}

}  // namespace l2t::kernels
