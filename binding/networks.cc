#include "binding/networks.h"

#include <algorithm>

#include "binding/marshal.h"
#include "native/nets/initialise.h"
#include "native/transfer/pairs.h"

namespace l2t::binding {
namespace {

nets::Network network_argument(const Napi::Value& value) {
  return nets::make_network(argument<nets::NetworkSpec>(value, "network"));
}

int64_t size_argument(const Napi::Value& value) { return argument<int64_t>(value, "size", kSides); }

/// Collects the parts that an operation names.
struct Parts {
  const nets::Network& network;
  OperationDescription& description;

  void parameter(const char* name, int index) const { tensor(name, network.parameters, index); }
  void buffer(const char* name, int index) const { tensor(name, network.buffers, index); }
  void setting(const char* name, double value) const { description.settings.emplace_back(name, value); }

 private:
  void tensor(const char* name, const std::vector<TensorSpec>& specs, int index) const {
    if (index >= 0) description.tensors.emplace_back(name, specs[index].name);
  }
};

std::vector<OperationDescription> operations_of(const nets::Network& network) {
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

}  // namespace

Napi::Value networks(const Napi::CallbackInfo& info) { return write(info.Env(), nets::network_names()); }

Napi::Value describe(const Napi::CallbackInfo& info) {
  const auto network = network_argument(info[0]);
  const auto size = size_argument(info[1]);
  const auto sizes = nets::feature_sizes(network, size);
  const auto candidates = nets::candidates(network, size);
  NetworkDescription description{
      network.name, network.parameters, network.buffers, operations_of(network), nets::value_sides(network, size), {}};
  for (int i = 0; i < static_cast<int>(sizes.size()); ++i) {
    const bool candidate = std::find(candidates.begin(), candidates.end(), i) != candidates.end();
    description.features.push_back({i, network.features[i].channels, sizes[i], candidate});
  }
  return write(info.Env(), description);
}

Napi::Value initialise(const Napi::CallbackInfo& info) {
  const auto network = network_argument(info[0]);
  const auto seed = argument<uint64_t>(info[1], "seed");
  return write(info.Env(), nets::initial_weights(network, seed));
}

Napi::Value pairs(const Napi::CallbackInfo& info) {
  const auto source = network_argument(info[0]);
  const auto target = network_argument(info[2]);
  const auto configuration = argument<std::string>(info[4], "pairs");
  return write(info.Env(),
               transfer::resolve_pairs(source, size_argument(info[1]), target, size_argument(info[3]), configuration));
}

}  // namespace l2t::binding
