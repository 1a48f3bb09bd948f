#include "binding/networks.h"

#include <algorithm>

#include "binding/guard.h"
#include "binding/marshal.h"
#include "native/core/random.h"
#include "native/nets/initialise.h"
#include "native/transfer/pairs.h"

namespace l2t::binding {
namespace {

nets::NetworkSpec spec_argument(const Napi::CallbackInfo& info, size_t index) {
  nets::NetworkSpec spec{};
  read(info[index], Place{"network", nullptr}, spec);
  return spec;
}

int64_t size_argument(const Napi::CallbackInfo& info, size_t index) {
  int64_t size = 0;
  read(info[index], Place{"size", nullptr}, size, kSides);
  return size;
}

}  // namespace

Napi::Value networks(const Napi::CallbackInfo& info) { return write(info.Env(), nets::network_names()); }

Napi::Value describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto network = nets::make_network(spec_argument(info, 0));
    const auto size = size_argument(info, 1);
    const auto sizes = nets::feature_sizes(network, size);
    const auto candidates = nets::candidates(network, size);
    NetworkDescription description{network.name, network.parameters, network.buffers, nets::describe(network), {}};
    for (int i = 0; i < static_cast<int>(sizes.size()); ++i) {
      const bool candidate = std::find(candidates.begin(), candidates.end(), i) != candidates.end();
      description.features.push_back({i, network.features[i].channels, sizes[i], candidate});
    }
    return write(info.Env(), description);
  });
}

Napi::Value initialise(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto network = nets::make_network(spec_argument(info, 0));
    uint64_t seed = 0;
    read(info[1], Place{"seed", nullptr}, seed);
    const auto parameters = make_parameters(Layout(network.parameters), at::kFloat);
    nets::initialise(network.initialisation, parameters.views, nets::seed_for(seed, Purpose::kTarget));
    const auto buffers = nets::make_buffers(network, at::kFloat);
    std::vector<NamedTensor> tensors;
    for (size_t i = 0; i < parameters.views.size(); ++i)
      tensors.push_back({network.parameters[i].name, parameters.views[i].clone()});
    for (size_t i = 0; i < buffers.size(); ++i) tensors.push_back({network.buffers[i].name, buffers[i]});
    return write(info.Env(), tensors);
  });
}

Napi::Value pairs(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto source = nets::make_network(spec_argument(info, 0));
    const auto target = nets::make_network(spec_argument(info, 2));
    std::string configuration;
    read(info[4], Place{"pairs", nullptr}, configuration);
    return write(info.Env(), transfer::resolve_pairs(source, size_argument(info, 1), target, size_argument(info, 3),
                                                     configuration));
  });
}

}  // namespace l2t::binding
