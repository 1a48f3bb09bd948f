#pragma once

namespace l2t {

/// The calling thread's share of the machine: LibTorch's and OpenMP's thread count.
/// OpenBLAS built on its own pthreads (Debian's default) is held to one: its pool knows nothing of OpenMP's, so the
/// GEMMs that LibTorch calls from inside a parallel region would fight over the cores (ten times slower on two).
void set_threads(int count);

/// The same for work that uses all of them, which are started now. Throws OUT_OF_THREADS or OUT_OF_MEMORY where the
/// process may not have that many.
void take_threads(int count);

}  // namespace l2t
