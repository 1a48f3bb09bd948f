#include "binding/network.h"

#include <ATen/ops/from_blob.h>

#include "binding/worker.h"
#include "native/backends/reference/backend.h"
#include "native/core/device.h"
#include "native/core/memory.h"
#include "native/core/threads.h"
#include "native/run/evaluation.h"
#include "native/terms/methods.h"
#include "native/transfer/meta_networks.h"
#include "native/transfer/source_maps.h"

namespace l2t::binding {
namespace {

/// The meta-networks of an ImportanceJob, with φ on the network's device.
struct LoadedImportance {
  transfer::MetaNetworks networks;
  ParameterVector phi;
  std::vector<int64_t> features;
};

LoadedImportance load_importance(const ImportanceJob& job, const nets::Network& source,
                                 const at::TensorOptions& options) {
  std::vector<int> channels;
  for (const auto m : job.features) {
    if (m < 0 || m >= std::ssize(source.features))
      throw Error("INVALID_OPTION", "There is no feature " + std::to_string(m) + " in " + source.name + ".");
    channels.push_back(source.features[m].channels);
  }
  auto networks = transfer::make_meta_networks(terms::method_named(job.method).learned, channels);
  auto phi = make_parameters(networks.phi, options);
  copy_by_name(networks.phi.specs(), phi.views, job.phi);
  return {.networks = std::move(networks), .phi = std::move(phi), .features = job.features};
}

/// w and λ of every pair for these images; `maps`: the network's features.
std::vector<NamedTensor> importance_of(const LoadedImportance& importance, Tensors maps) {
  std::vector<at::Tensor> pooled;
  for (const auto m : importance.features) pooled.push_back(maps[m].mean({2, 3}));
  const auto [w, lambda] =
      transfer::importance(backends::reference::backend(), importance.networks, importance.phi.views, pooled);
  std::vector<NamedTensor> tensors;
  for (size_t i = 0; i < w.size(); ++i) tensors.push_back({"w/" + std::to_string(i), w[i]});
  for (size_t i = 0; i < lambda.size(); ++i) tensors.push_back({"lambda/" + std::to_string(i), lambda[i]});
  return tensors;
}

/// Row-major on the CPU, as JavaScript reads it.
at::Tensor to_host(const at::Tensor& tensor) { return tensor.to(at::kCPU).contiguous(); }

}  // namespace

struct Network::Loaded {
  transfer::Source network;
  int64_t size;
  data::ToInput to_input;
  int threads;
  std::optional<LoadedImportance> importance;

  /// The bytes of all parameters, which lie in one vector.
  [[nodiscard]] int64_t bytes() const {
    return network.parameters.empty() ? 0 : static_cast<int64_t>(network.parameters.front().storage().nbytes());
  }

  /// Runs on images, uint8, count × S × S × 3; or splits the outputs of one that runs elsewhere, float32, 1-dim.
  [[nodiscard]] nets::Activations activations(const at::Tensor& input) const {
    const auto& [net, parameters, buffers] = network;
    if (net.runs_elsewhere()) return nets::activations_from(net, input);
    return run::infer(net, parameters, buffers, input.to(parameters.front().device()), to_input);
  }
};

Napi::Function Network::constructor(Napi::Env env) {
  return DefineClass(env, "Network", {InstanceMethod<&Network::infer>("infer")});
}

Network::Network(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Network>(info) {
  guarded(info.Env(), [&] {
    auto job = read_job<NetworkJob>(info[0]);
    auto made = nets::make_network(job.network);
    (void)nets::value_sides(made, job.size);  // throws where the images are too small
    const auto options = at::TensorOptions().dtype(at::kFloat).device(choose_device(job.device).device);
    backends::set_arithmetic({options});
    auto network = transfer::load_source(std::move(made), job.weights, options);
    std::optional<LoadedImportance> importance;
    if (job.importance) importance = load_importance(*job.importance, network.network, options);
    loaded_ = std::make_shared<const Loaded>(Loaded{.network = std::move(network),
                                                    .size = job.size,
                                                    .to_input = {job.size, job.normalisation, options.device()},
                                                    .threads = job.threads,
                                                    .importance = std::move(importance)});
    // Tells JavaScript's garbage collector how much memory this small object holds.
    Napi::MemoryManagement::AdjustExternalMemory(info.Env(), loaded_->bytes());
  });
}

void Network::Finalize(Napi::Env env) { Napi::MemoryManagement::AdjustExternalMemory(env, -loaded_->bytes()); }

Napi::Value Network::infer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto size = loaded_->size;
    const auto& net = loaded_->network.network;
    const bool elsewhere = net.runs_elsewhere();
    const Location location{elsewhere ? "values" : "pixels", nullptr};
    const auto* const want = elsewhere ? "a Uint8Array of float32 numbers, of whole images"
                                       : "a Uint8Array of count x size x size x 3 bytes";
    const auto pixels = bytes_at(info[0], location, want);
    const auto length = static_cast<int64_t>(pixels.ByteLength());
    const auto each = elsewhere ? 4 * nets::values_per_image(net) : size * size * 3;
    if (length == 0 || length % each != 0) location.refuse(want);
    auto* const data = const_cast<uint8_t*>(pixels.Data());  // from_blob wants non-const; nothing writes
    const auto images = elsewhere ? at::from_blob(data, {length / 4}, at::kFloat)
                                  : at::from_blob(data, {length / each, size, size, 3}, at::kByte);
    const bool want_features = info[1].ToBoolean();
    KeptValues keep;
    keep.push_back(Napi::Reference<Napi::Value>::New(pixels, 1));
    const auto work = [loaded = loaded_, images, want_features] {
      const KeptMemory memory;
      take_threads(loaded->threads);
      const auto [logits, features] = loaded->activations(images);
      std::vector<NamedTensor> tensors{{"logits", to_host(logits)}};
      for (size_t n = 0; want_features && n < features.size(); ++n)
        tensors.push_back({"feature/" + std::to_string(n), to_host(features[n])});
      if (loaded->importance) {
        for (const auto& [name, value] : importance_of(*loaded->importance, features))
          tensors.push_back({name, to_host(value)});
      }
      return tensors;
    };
    return in_background(info.Env(), work, std::move(keep));
  });
}

}  // namespace l2t::binding
