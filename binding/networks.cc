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

}  // namespace

Napi::Value networks(const Napi::CallbackInfo& info) { return write(info.Env(), nets::network_names()); }

Napi::Value describe(const Napi::CallbackInfo& info) {
  const auto network = network_argument(info[0]);
  const auto size = size_argument(info[1]);
  const auto sizes = nets::feature_sizes(network, size);
  const auto candidates = nets::candidates(network, size);
  NetworkDescription description{
      network.name, network.parameters, network.buffers, nets::describe(network), nets::value_sides(network, size), {}};
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
