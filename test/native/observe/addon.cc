// An addon for tests and tools: iterations from given tensors, the time of each layer, and what C++ declares.
// tools/parity/observe.ts has its types.
#include "binding/worker.h"
#include "test/native/observe/functions.h"
#include "test/native/observe/observe.h"

namespace l2t::binding {
namespace {

Napi::Value iterate(const Napi::CallbackInfo& info) {
  const auto config = read_job<test::ObserveConfig>(info[0]);
  return in_background(info.Env(), [config] {
    auto tensors = test::observe(config);
    for (auto& named : tensors)
      named.tensor = named.tensor.to(at::kCPU).contiguous().clone(at::MemoryFormat::Contiguous);
    return tensors;
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("useErrors", function<use_errors>(env));
  exports.Set("iterate", function<iterate>(env));
  exports.Set("timeIterations", function<time_iterations>(env));
  exports.Set("declarations", function<declarations>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(l2t_observe, init)

}  // namespace l2t::binding
