#include "native/nets/plan.h"

#include <algorithm>

#include "native/kernels/supports.h"

namespace l2t::nets {
namespace {

/// For each value, how many times operations read it.
std::vector<int> count_readers(const Network& network) {
  std::vector<int> readers(network.operations.size() + 1);
  for (const auto& operation : network.operations) {
    for (const int value : operation.inputs) ++readers[value];
  }
  return readers;
}

bool is_feature(const Network& network, size_t value) {
  return std::any_of(network.features.begin(), network.features.end(),
                     [&](const Feature& feature) { return static_cast<size_t>(feature.value) == value; });
}

/// Finds units in the first `operations` of a list.
struct Units {
  const Network& network;
  size_t operations;
  std::vector<int64_t> sides;
  kernels::Convolution convolution;
  std::vector<int> readers = count_readers(network);

  /// Operation i if it is of this kind and the only reader of operation i − 1's output; else null.
  template <class Kind>
  [[nodiscard]] const Kind* next(size_t i) const {
    if (i >= operations || network.operations[i].inputs.front() != static_cast<int>(i) || readers[i] != 1)
      return nullptr;
    return std::get_if<Kind>(&network.operations[i].kind);
  }

  [[nodiscard]] std::optional<kernels::Form> form_at(size_t i) const {
    const auto* const conv = std::get_if<Conv2d>(&network.operations[i].kind);
    if (conv == nullptr || conv->stride != 1 || conv->padding != 1) return {};
    const auto& shape = network.parameters[conv->weight].shape;
    if (shape[2] != 3 || next<BatchNorm>(i + 1) == nullptr || is_feature(network, i + 1)) return {};
    return kernels::form_for(convolution, sides[i + 1], shape[1]);
  }

  /// What follows batch norm in the unit; i is the operation after batch norm.
  [[nodiscard]] kernels::UnitEnd end_from(size_t i) const {
    kernels::UnitEnd end{};
    end.add = next<Add>(i) != nullptr && !is_feature(network, i);
    if (end.add) ++i;
    end.relu = next<Relu>(i) != nullptr && !is_feature(network, i);
    if (!end.relu) return end;
    const auto* const pool = next<MaxPool>(i + 1);
    end.pool = pool != nullptr && pool->kernel == 2 && pool->stride == 2 && pool->padding == 0 && sides[i + 1] % 2 == 0;
    return end;
  }
};

}  // namespace

std::vector<int> Step::inputs(const Network& network) const {
  auto inputs = network.operations[first].inputs;
  if (end.add) inputs.push_back(network.operations[first + 2].inputs.back());
  return inputs;
}

std::vector<Step> make_plan(const Network& network, size_t operations, const at::Tensor& x,
                            kernels::Convolution convolution) {
  const bool units = kernels::supports(x);
  const Units find{network, operations, value_sides(network, x.size(2)), convolution};
  std::vector<Step> steps;
  for (size_t i = 0; i < operations; ++i) {
    Step step{i, i};
    if (const auto form = units ? find.form_at(i) : std::nullopt) {
      step.fused = true;
      step.form = *form;
      step.end = find.end_from(i + 2);
      step.last = i + 1 + size_t{step.end.add} + size_t{step.end.relu} + size_t{step.end.pool};
    }
    steps.push_back(step);
    i = step.last;
  }
  return steps;
}

}  // namespace l2t::nets
