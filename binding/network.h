#pragma once
#include <napi.h>

#include <memory>

namespace l2t::binding {

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
