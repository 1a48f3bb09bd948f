#include "native/backends/cpu/form.h"

namespace l2t::backends::cpu {

std::optional<Form> form_for(int64_t side, int64_t channels) {
  constexpr int64_t kFewChannels = 8;
  if (side < 2) return {};
  if (channels < kFewChannels) return Form::kPatches;
  return side == 2 ? Form::kTwoByTwo : Form::kFourByFour;
}

}  // namespace l2t::backends::cpu
