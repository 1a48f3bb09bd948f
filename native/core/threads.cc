#include "native/core/threads.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <vector>

#include "native/core/limits.h"
#include "native/core/loaded_symbol.h"

namespace l2t {
namespace {

void hold_openblas() {
  constexpr int kPthreads = 1;  // openblas_get_parallel: 0 sequential, 1 pthreads, 2 OpenMP
  auto* const parallel = loaded_symbol<int()>("openblas_get_parallel");
  auto* const set = loaded_symbol<void(int)>("openblas_set_num_threads");
  if (parallel != nullptr && set != nullptr && parallel() == kPthreads) set(1);
}

/// OpenBLAS keeps a buffer for each product of matrices under way at once, of this much address space at most.
constexpr size_t kBlasBuffer = size_t{129} << 20U;

/// What the smallest network takes; libraries that have less fail in ways of their own.
constexpr size_t kFirstStep = size_t{128} << 20U;

/// Threads that may multiply matrices at once, in all of the process, and the buffers that OpenBLAS has for them.
struct BlasBuffers {
  std::mutex mutex;
  int users = 0;
  int had = 0;

  void reserve(int count) {
    auto* const allocate = loaded_symbol<void*(int)>("blas_memory_alloc");
    auto* const free = loaded_symbol<void(void*)>("blas_memory_free");
    const std::lock_guard lock(mutex);
    users += count;
    if (allocate == nullptr || free == nullptr || users <= had || !address_space_is_limited()) return;
    // Those of other threads may be in use just now: then as many more are made.
    require_address_space(static_cast<size_t>(users - had + users - count) * kBlasBuffer);
    std::vector<void*> buffers(static_cast<size_t>(users));
    std::generate(buffers.begin(), buffers.end(), [&] { return allocate(0); });
    std::for_each(buffers.begin(), buffers.end(), free);
    had = users;
  }

  void give_back(int count) {
    const std::lock_guard lock(mutex);
    users -= count;
  }
};

/// Never destroyed: threads may end while static objects are.
BlasBuffers& blas_buffers() {
  static auto* const instance = new BlasBuffers;
  return *instance;
}

/// The calling thread's part of the users.
struct BlasUse {
  int count = 0;

  void change(int wanted) {
    blas_buffers().give_back(count);
    count = wanted;
    blas_buffers().reserve(count);
  }
  BlasUse() = default;
  BlasUse(const BlasUse&) = delete;
  BlasUse& operator=(const BlasUse&) = delete;
  ~BlasUse() { blas_buffers().give_back(count); }
};

}  // namespace

void set_threads(int count) {
  // A thread takes over the process's number at its first parallel operation; asked for here, it cannot undo what
  // follows.
  (void)at::get_num_threads();
  at::set_num_threads(count);
  hold_openblas();
}

void take_threads(int count) {
  thread_local BlasUse blas;
  set_threads(count);
  // In this order: a stack that cannot be had looks as if the threads were too many.
  if (count > 1) {
    if (address_space_is_limited()) require_address_space(static_cast<size_t>(count - 1) * kThreadSpace);
    require_threads(count - 1);
// OpenMP starts its threads here, while there is still room for them.
#pragma omp parallel num_threads(count)
    {
    }
  }
  blas.change(count);
  if (address_space_is_limited()) require_address_space(kFirstStep);
}

}  // namespace l2t
