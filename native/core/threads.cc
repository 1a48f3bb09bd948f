#include "native/core/threads.h"

#include <ATen/Parallel.h>

#include "native/core/loaded_symbol.h"

namespace l2t {
namespace {

void hold_openblas() {
  constexpr int kPthreads = 1;  // openblas_get_parallel: 0 sequential, 1 pthreads, 2 OpenMP
  auto* const parallel = loaded_symbol<int()>("openblas_get_parallel");
  auto* const set = loaded_symbol<void(int)>("openblas_set_num_threads");
  if (parallel != nullptr && set != nullptr && parallel() == kPthreads) set(1);
}

}  // namespace

void set_threads(int count) {
  // A thread takes over the process's number at its first parallel operation; asked for here, it cannot undo what
  // follows.
  (void)at::get_num_threads();
  at::set_num_threads(count);
  hold_openblas();
}

}  // namespace l2t
