#pragma once
#include <utility>

#include "native/backends/unit_end.h"
#include "native/nets/forward.h"

namespace l2t::backends {

/// nets::forward with running statistics, in which a convolution, its batch norm and what follows are one step.
/// run(unit, x, skip) returns that unit's outputs; skip is undefined where none is added.
template <class RunFused>
class FusedInference {
 public:
  FusedInference(const nets::Network& network, Tensors parameters, Tensors buffers, const at::Tensor& x,
                 const RunFused& run)
      : network_(network),
        parameters_(parameters),
        buffers_(buffers),
        run_(run),
        part_{network, network.operations.size(), x, Sweeps::kGradient, {&alone(), x.size(0)}},
        sides_(nets::value_sides(network, x.size(2))),
        last_readers_(nets::last_readers(network)),
        values_(network.operations.size() + 1) {
    values_[0] = x;
  }

  nets::Activations operator()() {
    for (size_t i = 0; i < network_.operations.size();) {
      const auto fused = fused_unit_at(part_, sides_, i);
      const auto next = static_cast<size_t>(fused ? fused->outputs.back() : static_cast<int>(i) + 1);
      if (fused) {
        auto maps = run_(*fused, values_[fused->inputs[0]], fused->end.add ? values_[fused->inputs[1]] : at::Tensor());
        for (size_t k = 0; k < fused->outputs.size(); ++k) values_[fused->outputs[k]] = std::move(maps[k]);
      } else {
        const auto& [kind, inputs] = network_.operations[i];
        values_[next] = nets::apply(kind, parameters_, buffers_, nets::Statistics::kRunning, values_[inputs.front()],
                                    values_[inputs.back()]);
      }
      for (; i < next; ++i) drop_after(static_cast<int>(i));
    }
    nets::Activations result;
    for (const auto& feature : network_.features) result.features.push_back(values_[feature.value]);
    result.logits = values_.back();
    return result;
  }

 private:
  /// Drops what operation i read last. Features stay.
  void drop_after(int i) {
    for (const int input : network_.operations[i].inputs) {
      if (last_readers_[input] == i && !part_.is_feature(input)) values_[input].reset();
    }
  }

  const nets::Network& network_;
  Tensors parameters_;
  Tensors buffers_;
  const RunFused& run_;
  Part part_;
  std::vector<int64_t> sides_;
  std::vector<int> last_readers_;
  std::vector<at::Tensor> values_;
};

}  // namespace l2t::backends
