#include <ATen/Parallel.h>
#include <napi.h>
#include <torch/csrc/api/include/torch/version.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "binding/bench.h"
#include "binding/guard.h"
#include "binding/jobs.h"
#include "binding/networks.h"
#include "binding/run.h"
#include "binding/worker.h"
#include "native/core/device.h"

namespace l2t::binding {
namespace {

Napi::Value info(const Napi::CallbackInfo& call) {
  const auto env = call.Env();
  auto object = Napi::Object::New(env);
  object.Set("libtorch", TORCH_VERSION);
  object.Set("cuda", cuda_problem().empty());
  object.Set("threads", std::thread::hardware_concurrency());
  object.Set("parallel", at::get_parallel_info());
  return object;
}

Napi::Value device(const Napi::CallbackInfo& call) {
  return guarded(call.Env(), [&]() -> Napi::Value {
    const auto choice = choose_device(call[0].ToString().Utf8Value());
    auto object = Napi::Object::New(call.Env());
    object.Set("device", choice.device.str());
    object.Set("reason", choice.reason);
    return object;
  });
}

/// exit() destroys LibTorch's static objects: threads that still use them must be gone. One in the middle of a long step
/// is not waited for: what matters is on disk already, so the process ends at once.
void end_workers(int status, void* /*unused*/) {
  if (!Worker::abandon_all()) _exit(status);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  static const int registered = on_exit(end_workers, nullptr);
  (void)registered;
  exports.Set("info", Napi::Function::New(env, info));
  exports.Set("device", Napi::Function::New(env, device));
  exports.Set("networks", Napi::Function::New(env, networks));
  exports.Set("describe", Napi::Function::New(env, describe));
  exports.Set("initialise", Napi::Function::New(env, initialise));
  exports.Set("pairs", Napi::Function::New(env, pairs));
  exports.Set("resize", Napi::Function::New(env, resize));
  exports.Set("evaluate", Napi::Function::New(env, evaluate));
  exports.Set("iterate", Napi::Function::New(env, iterate));
  exports.Set("Bench", Bench::constructor(env));
  exports.Set("Run", Run::constructor(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(l2t_native, init)

}  // namespace l2t::binding
