#pragma once
#include <cstddef>
#include <string>

namespace l2t {

/// Checks of the system's limits on this process. They come before a library reaches a limit, since OpenMP ends the
/// process where it cannot start a thread, and OpenBLAS retries for ever where it gets no memory.

/// Throws OUT_OF_THREADS unless `count` more threads can run at once.
void require_threads(int count);

/// Checks whether the process's address space is limited (`ulimit -v`).
bool address_space_is_limited();

/// The address space that a thread takes: its stack, and what malloc reserves for it.
constexpr size_t kThreadSpace = size_t{140} << 20U;

/// Throws OUT_OF_MEMORY unless this much more address space is available in one piece.
void require_address_space(size_t bytes);

/// The messages of those errors. `bytes`: how much more memory was wanted, 0 where unknown.
std::string out_of_threads();
std::string out_of_memory(size_t bytes);

}  // namespace l2t
