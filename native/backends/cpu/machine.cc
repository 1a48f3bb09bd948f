#include "native/backends/cpu/machine.h"

#include <ATen/Parallel.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <chrono>

#include "native/backends/cpu/gemm.h"

namespace l2t::backends::cpu {
namespace {

template <class Work>
double best_seconds(const Work& work) {
  constexpr int kTries = 7;
  double best = 1e30;
  for (int i = 0; i < kTries; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

}  // namespace

MachineSpeed measure_machine() {
  const int64_t threads = at::get_num_threads();
  constexpr int64_t kSide = 1024;
  constexpr int kProducts = 8;
  const auto matrices = at::ones({threads, 3, kSide, kSide}, at::kFloat);
  const auto multiply = gemm<float>();
  const double product = best_seconds([&] {
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        float* const a = matrices.data_ptr<float>() + i * 3 * kSide * kSide;
        float* const b = a + kSide * kSide;
        float* const c = b + kSide * kSide;
        for (int k = 0; k < kProducts; ++k) multiply(kSide, kSide, kSide, {a, kSide}, {b, kSide}, false, c, kSide);
      }
    });
  });
  constexpr int64_t kElements = int64_t{32} << 20;
  const auto arrays = at::ones({3, kElements}, at::kFloat);
  const double triad = best_seconds([&] {
    at::parallel_for(0, kElements, kElements / threads, [&](int64_t begin, int64_t end) {
      float* const a = arrays.data_ptr<float>();
      const float* const b = a + kElements;
      const float* const c = b + kElements;
      for (int64_t i = begin; i < end; ++i) a[i] = b[i] + 0.5F * c[i];
    });
  });
  constexpr double kGiga = 1e9;
  const double flops = 2.0 * static_cast<double>(threads * kProducts) * kSide * kSide * kSide;
  return {flops / product / kGiga, 3.0 * sizeof(float) * static_cast<double>(kElements) / triad / kGiga};
}

}  // namespace l2t::backends::cpu
