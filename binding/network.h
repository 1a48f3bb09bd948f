#pragma once
#include <napi.h>

#include <memory>
#include <optional>

#include "binding/marshal.h"
#include "native/nets/registry.h"

namespace l2t::binding {

/// Trained meta-networks, to be applied to the network's own features: those of the pairs that have it as their source.
struct ImportanceJob {
  std::string method;
  std::vector<int64_t> features;  // m of every pair
  std::vector<NamedTensor> phi;   // weight_net.i.… and lambda_net.i.… of pair i

  static void fields(auto& self, auto&& visit) {
    visit("method", self.method);
    visit("features", self.features);
    visit("phi", self.phi);
  }
};

struct NetworkJob {
  nets::NetworkSpec network;
  std::vector<NamedTensor> weights;
  int64_t size;
  data::Normalisation normalisation;
  std::string device;
  int threads;
  std::optional<ImportanceJob> importance;

  static void fields(auto& self, auto&& visit) {
    visit("network", self.network);
    visit("weights", self.weights);
    visit("size", self.size, kSides);
    visit("normalisation", self.normalisation);
    visit("device", self.device);
    visit("threads", self.threads, kThreads);
    visit("importance", self.importance);
  }
};

/// class Network of src/native/contract/networks.ts: a network with its weights on a device, for inference.
class Network : public Napi::ObjectWrap<Network> {
 public:
  static Napi::Function constructor(Napi::Env env);
  explicit Network(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;

 private:
  Napi::Value infer(const Napi::CallbackInfo& info);

  /// Shared with the threads that infer.
  struct Loaded;
  std::shared_ptr<const Loaded> loaded_;
};

}  // namespace l2t::binding
