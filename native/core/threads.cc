#include "native/core/threads.h"

#include <ATen/Parallel.h>
#include <dlfcn.h>

namespace l2t {
namespace {

template <class Function>
Function* loaded_symbol(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

void hold_openblas() {
  constexpr int kPthreads = 1;  // openblas_get_parallel: 0 sequential, 1 pthreads, 2 OpenMP
  auto* const parallel = loaded_symbol<int()>("openblas_get_parallel");
  auto* const set = loaded_symbol<void(int)>("openblas_set_num_threads");
  if (parallel != nullptr && set != nullptr && parallel() == kPthreads) set(1);
}

}  // namespace

void set_threads(int count) {
  at::set_num_threads(count);
  hold_openblas();
}

}  // namespace l2t
