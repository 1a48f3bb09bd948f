#include <ATen/Parallel.h>
#include <napi.h>
#include <torch/csrc/api/include/torch/version.h>
#include <unistd.h>

#include <cstdlib>

#include "binding/bench.h"
#include "binding/group.h"
#include "binding/guard.h"
#include "binding/marshal.h"
#include "binding/network.h"
#include "binding/networks.h"
#include "binding/resize.h"
#include "binding/run.h"
#include "binding/worker.h"
#include "native/backends/backend.h"
#include "native/backends/cpu/gemm.h"
#include "native/backends/cpu/loops.h"
#include "native/backends/cpu/machine.h"
#include "native/core/device.h"
#include "native/core/error.h"
#include "native/core/memory.h"
#include "native/core/threads.h"

namespace l2t::binding {
namespace {

Napi::Value info(const Napi::CallbackInfo& call) {
  const auto env = call.Env();
  auto object = Napi::Object::New(env);
  object.Set("libtorch", TORCH_VERSION);
  object.Set("cuda", cuda_problem().empty());
  object.Set("gemm", backends::cpu::gemm_name());
  object.Set("vectors", backends::cpu::loops<float>().name);
  object.Set("parallel", at::get_parallel_info());
  return object;
}

Napi::Value device(const Napi::CallbackInfo& call) {
  const auto choice = choose_device(argument<std::string>(call[0], "device"));
  auto object = Napi::Object::New(call.Env());
  object.Set("device", choice.device.str());
  object.Set("reason", choice.reason);
  return object;
}

Napi::Value backend(const Napi::CallbackInfo& call) {
  const auto device = choose_device(argument<std::string>(call[0], "device")).device;
  const auto convolution = argument<backends::Convolution>(call[1], "convolution");
  const auto ranks = argument<int64_t>(call[2], "ranks");
  const auto& backend = backends::backend_for({.options = device, .convolution = convolution, .single = ranks == 1});
  return write(call.Env(), std::string(backend.name()));
}

/// Returns the releases that the loader compares. Starts nothing on a GPU.
Napi::Value cuda_versions(const Napi::CallbackInfo& call) {
  return write(call.Env(), backends::backend_for({at::kCUDA}).versions());
}

/// Returns the GPUs for `doctor`.
Napi::Value cuda(const Napi::CallbackInfo& call) {
  const auto problem = cuda_problem();
  return write(call.Env(),
               problem.empty() ? backends::backend_for({at::kCUDA}).gpus() : backends::Gpus{problem, {}, {}});
}

Napi::Value cuda_memory(const Napi::CallbackInfo& call) {
  const auto device = choose_device(argument<std::string>(call[0], "device")).device;
  if (!device.is_cuda()) throw Error("INVALID_OPTION", "Device '" + device.str() + "' is no GPU.");
  return write(call.Env(), backends::backend_for({device}).memory(device).value_or(backends::DeviceMemory{}));
}

Napi::Value measure_machine(const Napi::CallbackInfo& call) {
  return in_background(call.Env(), [threads = argument<int>(call[0], "threads", kThreads)] {
    take_threads(threads);
    return backends::cpu::measure_machine();
  });
}

Napi::Value memory(const Napi::CallbackInfo& call) { return write(call.Env(), memory_use()); }

Napi::Value groups(const Napi::CallbackInfo& call) { return write(call.Env(), has_groups()); }

/// For process.exit() during a run: exit() destroys LibTorch's static objects, so no thread may use them any more. If a
/// thread is in a long step, the process ends at once instead: what matters is on disk already. The handler for that
/// is registered now, after all static objects that LibTorch made so far, so exit() runs it before their destructors.
void end_workers(const Napi::CallbackInfo& /*call*/) {
  if (Worker::abandon_all()) return;
  on_exit([](int status, void* /*unused*/) { _exit(status); }, nullptr);
}

/// Acts only on the main thread: a worker_threads worker ends its own runs when it exits (worker.cc).
void watch_process_exit(Napi::Env env) {
  if (getpid() != gettid()) return;
  const auto process = env.Global().Get("process").As<Napi::Object>();
  process.Get("once").As<Napi::Function>().Call(
      process, {Napi::String::New(env, "exit"), Napi::Function::New(env, end_workers)});
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  keep_freed_memory();
  // For the JavaScript thread: what it computes itself is too little for more threads.
  set_threads(1);
  watch_process_exit(env);
  exports.Set("useErrors", function<use_errors>(env));
  exports.Set("info", function<info>(env));
  exports.Set("cudaVersions", function<cuda_versions>(env));
  exports.Set("cuda", function<cuda>(env));
  exports.Set("cudaMemory", function<cuda_memory>(env));
  exports.Set("device", function<device>(env));
  exports.Set("backend", function<backend>(env));
  exports.Set("networks", function<networks>(env));
  exports.Set("describe", function<describe>(env));
  exports.Set("initialise", function<initialise>(env));
  exports.Set("pairs", function<pairs>(env));
  exports.Set("resize", function<resize>(env));
  exports.Set("memory", function<memory>(env));
  exports.Set("measureMachine", function<measure_machine>(env));
  exports.Set("groups", function<groups>(env));
  exports.Set("Bench", Bench::constructor(env));
  exports.Set("Group", GroupMember::constructor(env));
  exports.Set("Network", Network::constructor(env));
  exports.Set("Run", Run::constructor(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(l2t_native, init)

}  // namespace l2t::binding
