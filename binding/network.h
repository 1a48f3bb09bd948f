#pragma once
#include <napi.h>

#include <memory>

#include "binding/marshal.h"
#include "native/nets/registry.h"

namespace l2t::binding {

struct NetworkJob {
  nets::NetworkSpec network;
  std::vector<NamedTensor> weights;
  int64_t size;
  data::Normalisation normalisation;
  std::string device;
  int threads;

  static void fields(auto& self, auto&& visit) {
    visit("network", self.network);
    visit("weights", self.weights);
    visit("size", self.size, kSides);
    visit("normalisation", self.normalisation);
    visit("device", self.device);
    visit("threads", self.threads, kThreads);
  }
};

/// class Network of src/native/contract.ts: a network with its weights on a device, for inference.
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
