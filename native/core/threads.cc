#include "native/core/threads.h"

#include <ATen/Parallel.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <vector>

#include "native/core/limits.h"
#include "native/core/loaded_symbol.h"

namespace l2t {
namespace {

void set_openblas_to_one_thread() {
  constexpr int kPthreads = 1;  // openblas_get_parallel: 0 sequential, 1 pthreads, 2 OpenMP
  auto* const parallel = loaded_symbol<int()>("openblas_get_parallel");
  auto* const set = loaded_symbol<void(int)>("openblas_set_num_threads");
  if (parallel != nullptr && set != nullptr && parallel() == kPthreads) set(1);
}

/// OpenBLAS takes a buffer for each matrix product that runs at the same time: at most this much address space each.
constexpr size_t kBlasBuffer = size_t{129} << 20U;

/// Address space that a step of the smallest network takes. With less, libraries fail in ways of their own.
constexpr size_t kFirstStep = size_t{128} << 20U;

/// OpenBLAS waits for ever where it gets no memory for a buffer. So its buffers are allocated here, while there is
/// room: one for each thread of the process that may multiply matrices.
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
    // The buffers of other threads may be in use now: then OpenBLAS makes as many more.
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

/// The number of buffers that are reserved for the calling thread.
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
  // At its first parallel operation a thread takes the process's thread count. This call makes that happen before the
  // count is set.
  (void)at::get_num_threads();
  at::set_num_threads(count);
  set_openblas_to_one_thread();
}

void block_signals() {
  sigset_t signals;
  sigfillset(&signals);
  // These signals come from the thread's own instructions.
  for (const int own : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) sigdelset(&signals, own);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

void take_threads(int count) {
  thread_local BlasUse blas;
  set_threads(count);
  // Memory first: a thread whose stack finds no room fails with the same error as one thread too many.
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
