#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "native/backends/backend.h"

namespace l2t::backends {

/// The operations after batch norm in a fused unit: a residual is added, then ReLU, then a 2×2 max-pool.
struct UnitEnd {
  bool add;
  bool relu;
  bool pool;
};

/// A fused unit's place in a network. Its inputs are x and, where one is added, the residual; its outputs the map and,
/// where one follows, the max-pool.
struct FusedUnit {
  nets::Conv2d conv;
  nets::BatchNorm norm;
  UnitEnd end;
  bool input;  // x̄ is wanted
  std::vector<int> inputs;
  std::vector<int> outputs;
};

/// The unit that begins with operation i; none where that is no convolution before batch norm, or where a feature lies
/// between them. `sides`: of all values.
std::optional<FusedUnit> fused_unit_at(const Part& part, const std::vector<int64_t>& sides, size_t i);

/// nets::forward with running statistics, in which a convolution, its batch norm and what follows are one step.
/// run(unit, x, skip) returns that unit's outputs; skip is undefined where none is added.
template <class RunFused>
nets::Activations fused_inference(const nets::Network& network, Tensors parameters, Tensors buffers,
                                  const at::Tensor& x, const RunFused& run) {
  const auto& operations = network.operations;
  const Part part{network, operations.size(), x, Sweeps::kGradient, {&single_process(), x.size(0)}};
  const auto sides = nets::value_sides(network, x.size(2));
  const auto last_readers = nets::last_readers(network);
  std::vector<at::Tensor> values(operations.size() + 1);
  values[0] = x;
  for (size_t i = 0; i < operations.size();) {
    const auto fused = fused_unit_at(part, sides, i);
    const auto next = static_cast<size_t>(fused ? fused->outputs.back() : static_cast<int>(i) + 1);
    if (fused) {
      auto maps = run(*fused, values[fused->inputs[0]], fused->end.add ? values[fused->inputs[1]] : at::Tensor());
      for (size_t k = 0; k < fused->outputs.size(); ++k) values[fused->outputs[k]] = std::move(maps[k]);
    } else {
      const auto& [kind, inputs] = operations[i];
      values[next] = nets::apply(kind, parameters, buffers, nets::Statistics::kRunning, values[inputs.front()],
                                 values[inputs.back()]);
    }
    // Drops what was read for the last time. Features stay.
    for (; i < next; ++i) {
      for (const int input : operations[i].inputs) {
        if (last_readers[input] == static_cast<int>(i) && !part.is_feature(input)) values[input].reset();
      }
    }
  }
  nets::Activations result;
  for (const auto& feature : network.features) result.features.push_back(values[feature.value]);
  result.logits = values.back();
  return result;
}

}  // namespace l2t::backends
