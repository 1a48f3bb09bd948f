#pragma once
#include <napi.h>

#include <functional>
#include <memory>

#include "binding/javascript_tasks.h"
#include "binding/worker.h"
#include "native/run/trainer.h"

namespace l2t::binding {

/// class Run of src/native/contract/run.ts: one training run.
class Run : public Napi::ObjectWrap<Run> {
 public:
  static Napi::Function constructor(Napi::Env env);
  explicit Run(const Napi::CallbackInfo& info);

 private:
  Napi::Value start(const Napi::CallbackInfo& info);
  Napi::Value try_rates(const Napi::CallbackInfo& info);
  Napi::Value on_worker(Napi::Env env, const std::function<MakeValue(run::Trainer&)>& body);
  void stop(const Napi::CallbackInfo& info);
  void saved(const Napi::CallbackInfo& info);
  void answer(const Napi::CallbackInfo& info);

  std::shared_ptr<Worker> worker_ = std::make_shared<Worker>();
  KeptValues keep_;
  run::RunConfig config_;
  Napi::FunctionReference on_event_;
  std::shared_ptr<JavascriptTasks> tasks_;  // while it runs
  bool started_ = false;
};

}  // namespace l2t::binding
