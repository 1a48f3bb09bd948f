#pragma once
#include <napi.h>

#include <memory>

#include "native/core/phases.h"
#include "native/run/learner.h"

namespace l2t::binding {

/// class Bench of src/native/contract.ts: times iterations on random images and initial weights.
class Bench : public Napi::ObjectWrap<Bench> {
 public:
  static Napi::Function constructor(Napi::Env env);
  explicit Bench(const Napi::CallbackInfo& info);

 private:
  Napi::Value iterate(const Napi::CallbackInfo& info);

  /// What an iteration needs; shared with the thread that runs the iteration.
  struct Subject;
  std::shared_ptr<Subject> subject_;
};

/// measureMachine() of src/native/contract.ts.
Napi::Value measure_machine(const Napi::CallbackInfo& info);

/// memory() of src/native/contract.ts.
Napi::Value memory(const Napi::CallbackInfo& info);

}  // namespace l2t::binding
