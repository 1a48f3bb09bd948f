#include <ATen/Context.h>

#include <utility>

#include "native/backends/backend.h"
#include "test/native/check.h"

namespace l2t::test {
namespace {

bool allowed(bool answer) { return answer; }
/// Newer LibTorchs answer with an enumeration, whose first value is that sums in bf16 are allowed.
template <class Option>
bool allowed(Option answer) {
  return static_cast<int>(answer) == 0;
}

// LibTorch holds its switches also where there is no GPU.
TEST_CASE("precision and determinism set how GPUs compute" * doctest::test_suite("backends")) {
  using backends::Precision;
  for (const auto& [precision, deterministic] : {std::pair{Precision::kFloat32, true},
                                                 {Precision::kTf32, true},
                                                 {Precision::kBf16, true},
                                                 {Precision::kFloat32, false}}) {
    INFO(name_of(precision), ", deterministic: ", deterministic);
    backends::set_arithmetic({.options = at::kCUDA, .precision = precision, .deterministic = deterministic});
    const auto& context = at::globalContext();
    CHECK(context.allowTF32CuDNN() == (precision == Precision::kTf32));
    CHECK(context.allowTF32CuBLAS() == (precision == Precision::kTf32));
    CHECK_FALSE(allowed(context.allowBF16ReductionCuBLAS()));
    CHECK(context.deterministicCuDNN() == deterministic);
    CHECK(context.benchmarkCuDNN() == !deterministic);
    CHECK(context.deterministicAlgorithms() == deterministic);
    CHECK_FALSE(context.deterministicAlgorithmsWarnOnly());
    CHECK_FALSE(context.deterministicFillUninitializedMemory());
  }
}

}  // namespace
}  // namespace l2t::test
