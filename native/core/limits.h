#pragma once
#include <cstddef>
#include <string>

namespace l2t {

/// Where the system limits a process: asked before a library meets the limit, since OpenMP ends the process where a
/// thread cannot be started, and OpenBLAS asks for its memory until it gets it, for ever.

/// Throws OUT_OF_THREADS unless `count` more threads can run at once.
void require_threads(int count);

/// Whether the process may take only so much address space (`ulimit -v`).
bool address_space_is_limited();

/// Address space of a thread: its stack, and what malloc reserves for it.
constexpr size_t kThreadSpace = size_t{140} << 20U;

/// Throws OUT_OF_MEMORY unless so much more address space can be had, in one piece.
void require_address_space(size_t bytes);

/// The sentences of those errors. `bytes` is what could not be had, 0 where it is unknown.
std::string out_of_threads();
std::string out_of_memory(size_t bytes);

}  // namespace l2t
