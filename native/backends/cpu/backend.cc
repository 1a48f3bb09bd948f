#include "native/backends/cpu/backend.h"

#include <optional>

#include "native/backends/cpu/conv_unit.h"
#include "native/backends/cpu/form.h"
#include "native/backends/reference/backend.h"

namespace l2t::backends::cpu {
namespace {

/// The fused unit that begins with operation i; none unless that is a convolution that has a form, and batch norm
/// follows.
std::optional<Step> fused_at(const Part& part, const std::vector<int64_t>& sides, size_t i) {
  auto unit = fused_unit_at(part, sides, i);
  if (!unit) return {};
  const auto& shape = part.network.parameters[unit->conv.weight].shape;
  const auto geometry = geometry_of(unit->conv, shape, part.x.size(0), sides[unit->inputs.front()]);
  if (!geometry) return {};
  const ConvUnitSpec spec{*geometry, unit->end, unit->conv, unit->norm, unit->input, part.sweeps, part.norm};
  return Step{std::move(unit->inputs), std::move(unit->outputs), make_conv_unit(spec, part.x.scalar_type())};
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

const Backend& backend() {
  static const Cpu cpu;
  return cpu;
}

const Backend* backend_for(const Arithmetic& arithmetic) {
  const auto type = c10::typeMetaToScalarType(arithmetic.options.dtype());
  const bool has_kernels = arithmetic.options.device().is_cpu() && (type == at::kFloat || type == at::kDouble);
  return has_kernels && arithmetic.convolution != Convolution::kDirect ? &backend() : nullptr;
}

}  // namespace l2t::backends::cpu
