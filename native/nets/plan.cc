#include "native/nets/plan.h"

namespace l2t::nets {
namespace {

/// Is operation i of this kind, on the value that the operation before it makes and nothing else reads?
template <class Kind>
bool continues(const Network& network, const std::vector<int>& readers, size_t i, size_t operations) {
  if (i >= operations || !std::holds_alternative<Kind>(network.operations[i].kind)) return false;
  const int value = static_cast<int>(i);
  return network.operations[i].inputs.front() == value && readers[value] == 1;
}

/// Of each value; a feature is read by whoever matches it.
std::vector<int> count_readers(const Network& network) {
  std::vector<int> readers(network.operations.size() + 1);
  for (const auto& operation : network.operations) {
    for (const int value : operation.inputs) ++readers[value];
  }
  for (const auto& feature : network.features) ++readers[feature.value];
  return readers;
}

}  // namespace

std::vector<Step> make_plan(const Network& network, size_t operations, const at::Tensor& x,
                            kernels::Convolution convolution) {
  const bool kernels = x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble);
  const auto sides = value_sides(network, x.size(2));
  const auto readers = count_readers(network);
  const auto form_of = [&](size_t i) -> std::optional<kernels::Form> {
    const auto* const conv = std::get_if<Conv2d>(&network.operations[i].kind);
    if (!kernels || conv == nullptr || conv->stride != 1 || conv->padding != 1) return {};
    const auto& shape = network.parameters[conv->weight].shape;
    if (shape[2] != 3 || !continues<BatchNorm>(network, readers, i + 1, operations)) return {};
    return kernels::form_for(convolution, sides[i + 1], shape[1], shape[0]);
  };
  std::vector<Step> steps;
  for (size_t i = 0; i < operations; ++i) {
    const auto form = form_of(i);
    const size_t last = !form ? i : continues<Relu>(network, readers, i + 2, operations) ? i + 2 : i + 1;
    steps.push_back({i, last, form});
    i = last;
  }
  return steps;
}

}  // namespace l2t::nets
