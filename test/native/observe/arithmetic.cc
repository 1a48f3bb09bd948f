#include "test/native/observe/arithmetic.h"

#include <ATen/Context.h>

#include "binding/marshal.h"
#include "native/backends/backend.h"

namespace l2t::binding {
namespace {

bool allowed(bool answer) { return answer; }
/// Newer LibTorchs answer with an enumeration, whose first value is that sums in bf16 are allowed.
template <class Option>
bool allowed(Option answer) {
  return static_cast<int>(answer) == 0;
}

}  // namespace

Napi::Value arithmetic(const Napi::CallbackInfo& info) {
  backends::set_arithmetic({.options = at::kCUDA,
                            .precision = argument<backends::Precision>(info[0], "precision"),
                            .deterministic = argument<bool>(info[1], "deterministic")});
  const auto& context = at::globalContext();
  auto result = Napi::Object::New(info.Env());
  result.Set("tf32CuDnn", context.allowTF32CuDNN());
  result.Set("tf32CuBlas", context.allowTF32CuBLAS());
  result.Set("bf16Sums", allowed(context.allowBF16ReductionCuBLAS()));
  result.Set("deterministicCuDnn", context.deterministicCuDNN());
  result.Set("benchmarkCuDnn", context.benchmarkCuDNN());
  result.Set("deterministic", context.deterministicAlgorithms());
  result.Set("warnsOnly", context.deterministicAlgorithmsWarnOnly());
  result.Set("fillsNewTensors", context.deterministicFillUninitializedMemory());
  return result;
}

}  // namespace l2t::binding
