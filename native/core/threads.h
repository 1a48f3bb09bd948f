#pragma once

namespace l2t {

/// Sets how many threads LibTorch and OpenMP use for work that the calling thread starts.
/// An OpenBLAS that has its own pool of pthreads (Debian's default) is set to one thread: its pool and OpenMP's would
/// compete for the cores where LibTorch calls it from inside a parallel region (ten times slower on two cores).
void set_threads(int count);

/// Like set_threads, and starts the threads now. Throws OUT_OF_THREADS or OUT_OF_MEMORY where the process may not have
/// that many.
void take_threads(int count);

/// Blocks signals on the calling thread and on those that it starts, so that other threads handle them. A signal that
/// was handled on such a thread damaged the heap before a buffer of oneDNN's sgemm, probably because its kernels point
/// the stack there. (The kernel delivers SIGXCPU to the thread that reaches the limit.)
void block_signals();

}  // namespace l2t
