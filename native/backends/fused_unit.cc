#include "native/backends/fused_unit.h"

namespace l2t::backends {
namespace {

/// i: the operation after batch norm.
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

}  // namespace

std::optional<FusedUnit> fused_unit_at(const Part& part, const std::vector<int64_t>& sides, size_t i) {
  const auto& operations = part.network.operations;
  const auto* const conv = std::get_if<nets::Conv2d>(&operations[i].kind);
  const auto* const norm = part.follower<nets::BatchNorm>(i + 1);
  if (conv == nullptr || norm == nullptr || part.is_feature(i + 1)) return {};
  const auto end = end_from(part, sides, i + 2);
  const int last = static_cast<int>(i) + 2 + (end.add ? 1 : 0) + (end.relu ? 1 : 0);
  FusedUnit unit{*conv, *norm, end, operations[i].inputs.front() != 0, operations[i].inputs, {last}};
  if (end.add) unit.inputs.push_back(operations[i + 2].inputs.back());
  if (end.pool) unit.outputs.push_back(last + 1);
  return unit;
}

}  // namespace l2t::backends
