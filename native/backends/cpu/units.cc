#include <optional>

#include "native/backends/cpu/backend.h"
#include "native/backends/cpu/conv_unit.h"
#include "native/backends/reference/backend.h"

namespace l2t::backends::cpu {
namespace {

/// The form for a 3×3 convolution (stride 1, padding 1) on square maps of `side`; none where it is computed directly. A
/// form was faster for every shape that was measured (bench/README.md).
std::optional<Form> form_for(int64_t side, int64_t channels) {
  constexpr int64_t kFewChannels = 8;
  if (side < 2) return {};
  if (channels < kFewChannels) return Form::kPatches;
  return side == 2 ? Form::kTwoByTwo : Form::kFourByFour;
}

/// What follows batch norm in the unit; i is the operation after batch norm.
UnitEnd end_from(const Part& part, const std::vector<int64_t>& sides, size_t i) {
  UnitEnd end{};
  end.add = part.follower<nets::Add>(i) != nullptr && !part.is_feature(i);
  if (end.add) ++i;
  end.relu = part.follower<nets::Relu>(i) != nullptr && !part.is_feature(i);
  if (!end.relu) return end;
  const auto* const pool = part.follower<nets::MaxPool>(i + 1);
  end.pool = pool != nullptr && pool->kernel == 2 && pool->stride == 2 && pool->padding == 0 && sides[i + 1] % 2 == 0;
  return end;
}

/// The fused unit that begins with operation i; none where that is no 3×3 convolution before batch norm.
std::optional<Step> fused_at(const Part& part, const std::vector<int64_t>& sides, size_t i) {
  const auto& operations = part.network.operations;
  const auto* const conv = std::get_if<nets::Conv2d>(&operations[i].kind);
  if (conv == nullptr || conv->stride != 1 || conv->padding != 1) return {};
  const auto& shape = part.network.parameters[conv->weight].shape;
  const auto* const norm = part.follower<nets::BatchNorm>(i + 1);
  if (shape[2] != 3 || norm == nullptr || part.is_feature(i + 1)) return {};
  const auto form = form_for(sides[i + 1], shape[1]);
  if (!form) return {};
  const auto end = end_from(part, sides, i + 2);
  const int last = static_cast<int>(i) + 2 + (end.add ? 1 : 0) + (end.relu ? 1 : 0);
  Step step{operations[i].inputs, {last}, {}};
  if (end.add) step.inputs.push_back(operations[i + 2].inputs.back());
  if (end.pool) step.outputs.push_back(last + 1);
  const ConvUnitSpec spec{*form, end, *conv, *norm, step.inputs.front() != 0, part.sweeps};
  step.unit = make_conv_unit(spec, part.x.scalar_type());
  return step;
}

}  // namespace

std::vector<Step> Cpu::units(const Part& part) const {
  const auto sides = nets::value_sides(part.network, part.x.size(2));
  std::vector<Step> steps;
  for (size_t i = 0; i < part.operations; i = steps.back().outputs.back()) {
    auto fused = fused_at(part, sides, i);
    steps.push_back(fused ? std::move(*fused) : reference::unit_of(part, i));
  }
  return steps;
}

}  // namespace l2t::backends::cpu
