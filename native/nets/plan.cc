#include "native/nets/plan.h"

#include <algorithm>

namespace l2t::nets {
namespace {

/// How often operations read each value.
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

  /// Operation i, where it is of this kind and alone reads what operation i − 1 makes.
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
    return kernels::form_for(convolution, sides[i + 1], shape[1], shape[0]);
  }

  [[nodiscard]] size_t last_from(size_t first) const {
    const size_t norm = first + 1;
    if (next<Relu>(norm + 1) == nullptr || is_feature(network, norm + 1)) return norm;
    const auto* const pool = next<MaxPool>(norm + 2);
    const bool halves = pool != nullptr && pool->kernel == 2 && pool->stride == 2 && pool->padding == 0;
    return halves && sides[norm + 2] % 2 == 0 ? norm + 2 : norm + 1;
  }
};

}  // namespace

std::vector<Step> make_plan(const Network& network, size_t operations, const at::Tensor& x,
                            kernels::Convolution convolution) {
  const bool units = x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble);
  const Units find{network, operations, value_sides(network, x.size(2)), convolution};
  std::vector<Step> steps;
  for (size_t i = 0; i < operations; ++i) {
    const auto form = units ? find.form_at(i) : std::nullopt;
    steps.push_back({i, form ? find.last_from(i) : i, form});
    i = steps.back().last;
  }
  return steps;
}

}  // namespace l2t::nets
