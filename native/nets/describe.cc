#include "native/nets/describe.h"

namespace l2t::nets {
namespace {

/// Collects the parts that an operation names.
struct Parts {
  const Network& network;
  OperationDescription& description;

  void parameter(const char* name, int index) const { tensor(name, network.parameters, index); }
  void buffer(const char* name, int index) const { tensor(name, network.buffers, index); }
  void setting(const char* name, double value) const { description.settings.emplace_back(name, value); }

 private:
  void tensor(const char* name, const std::vector<TensorSpec>& specs, int index) const {
    if (index >= 0) description.tensors.emplace_back(name, specs[index].name);
  }
};

}  // namespace

std::vector<OperationDescription> describe(const Network& network) {
  std::vector<OperationDescription> descriptions;
  for (const auto& operation : network.operations) {
    auto& description = descriptions.emplace_back();
    description.inputs = operation.inputs;
    std::visit(
        [&](const auto& kind) {
          description.kind = kind.kKind;
          kind.parts(Parts{network, description});
        },
        operation.kind);
  }
  return descriptions;
}

}  // namespace l2t::nets
