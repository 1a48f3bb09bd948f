#include "binding/networks.h"

#include <algorithm>
#include <cmath>

#include "binding/conversions.h"
#include "binding/guard.h"
#include "native/core/random.h"
#include "native/nets/initialise.h"
#include "native/transfer/pairs.h"

namespace l2t::binding {
namespace {

nets::Network network_argument(const Napi::CallbackInfo& info, size_t index) {
  if (!info[index].IsObject()) throw Error("INVALID_OPTION", "A network is an object {name, classes, width}.");
  return nets::make_network(to_network_spec(info[index].As<Napi::Object>()));
}

int64_t size_argument(const Napi::CallbackInfo& info, size_t index) {
  const double size = info[index].IsNumber() ? info[index].ToNumber().DoubleValue() : 0;
  if (!(size >= 1 && size <= 4096) || size != std::floor(size))
    throw Error("INVALID_OPTION", "A size is a number of pixels from 1 to 4096.");
  return static_cast<int64_t>(size);
}

Napi::Array from_specs(Napi::Env env, const std::vector<TensorSpec>& specs) {
  auto array = Napi::Array::New(env, specs.size());
  for (uint32_t i = 0; i < specs.size(); ++i) {
    auto shape = Napi::Array::New(env, specs[i].shape.size());
    for (uint32_t d = 0; d < specs[i].shape.size(); ++d) shape.Set(d, static_cast<double>(specs[i].shape[d]));
    auto object = Napi::Object::New(env);
    object.Set("name", specs[i].name);
    object.Set("shape", shape);
    array.Set(i, object);
  }
  return array;
}

}  // namespace

Napi::Value networks(const Napi::CallbackInfo& info) {
  const auto names = nets::network_names();
  auto array = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); ++i) array.Set(i, names[i]);
  return array;
}

Napi::Value describe(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto env = info.Env();
    const auto network = network_argument(info, 0);
    const auto size = size_argument(info, 1);
    const auto sizes = nets::feature_sizes(network, size);
    const auto candidates = nets::candidates(network, size);
    auto features = Napi::Array::New(env, sizes.size());
    for (uint32_t i = 0; i < sizes.size(); ++i) {
      auto feature = Napi::Object::New(env);
      feature.Set("index", i);
      feature.Set("channels", network.features[i].channels);
      feature.Set("size", static_cast<double>(sizes[i]));
      feature.Set("candidate",
                  std::find(candidates.begin(), candidates.end(), static_cast<int>(i)) != candidates.end());
      features.Set(i, feature);
    }
    auto object = Napi::Object::New(env);
    object.Set("name", network.name);
    object.Set("parameters", from_specs(env, network.parameters));
    object.Set("buffers", from_specs(env, network.buffers));
    object.Set("features", features);
    return object;
  });
}

Napi::Value initialise(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto network = network_argument(info, 0);
    const double number = info[1].IsNumber() ? info[1].ToNumber().DoubleValue() : -1;
    if (!(number >= 0 && number <= 9007199254740991.0) || number != std::floor(number)) {
      throw Error("INVALID_OPTION", "A seed is a whole number from 0 to 2^53 - 1.");
    }
    const auto seed = static_cast<uint64_t>(number);
    const auto parameters = make_parameters(network.parameters, at::kFloat);
    nets::initialise(network.initialisation, parameters.views, nets::seed_for(seed, Purpose::kTarget));
    const auto buffers = nets::make_buffers(network, at::kFloat);
    std::vector<NamedTensor> tensors;
    for (size_t i = 0; i < parameters.views.size(); ++i)
      tensors.push_back({network.parameters[i].name, parameters.views[i]});
    for (size_t i = 0; i < buffers.size(); ++i) tensors.push_back({network.buffers[i].name, buffers[i]});
    for (auto& named : tensors) named.tensor = named.tensor.clone();
    return from_tensors(info.Env(), tensors);
  });
}

Napi::Value pairs(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto env = info.Env();
    const auto resolved =
        transfer::resolve_pairs(network_argument(info, 0), size_argument(info, 1), network_argument(info, 2),
                                size_argument(info, 3), to_text(info[4], "A choice of pairs"));
    auto array = Napi::Array::New(env, resolved.size());
    for (uint32_t i = 0; i < resolved.size(); ++i) {
      auto pair = Napi::Array::New(env, 2);
      pair.Set(0U, resolved[i].first);
      pair.Set(1U, resolved[i].second);
      array.Set(i, pair);
    }
    return array;
  });
}

}  // namespace l2t::binding
