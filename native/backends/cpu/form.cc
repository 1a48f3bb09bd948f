#include "native/backends/cpu/form.h"

namespace l2t::backends::cpu {

std::optional<Form> form_of(const nets::Conv2d& conv, const std::vector<int64_t>& weight, int64_t side) {
  // A form was faster for every shape that was measured (bench/README.md).
  constexpr int64_t kFewChannels = 8;
  if (conv.stride != 1 || conv.padding != 1 || conv.groups != 1 || weight[2] != 3 || side < 2) return {};
  if (weight[1] < kFewChannels) return Form::kPatches;
  return side == 2 ? Form::kTwoByTwo : Form::kFourByFour;
}

}  // namespace l2t::backends::cpu
