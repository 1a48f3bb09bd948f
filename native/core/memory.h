#pragma once
#include <cstddef>

namespace l2t {

/// From here on, CPU tensors of 64 KiB and more live in one region of the process, where what is freed is kept and
/// handed out again. An iteration makes the same tensors as the one before it, so from the second on it gets their
/// memory back as it is: the system clears no page, the caches stay warm. Smaller ones stay with LibTorch's allocator,
/// and so does everything where the region can't be reserved or is full. For the whole process; more calls do nothing.
void keep_freed_memory();

/// Bytes of such tensors: alive now, and the most that were at once.
struct MemoryUse {
  size_t now;
  size_t peak;
};
MemoryUse memory_use();

/// Declared first in a job that makes many tensors: when its tensors are gone and no other such job runs, it gives the
/// kept pages back to the system.
class KeptMemory {
 public:
  KeptMemory();
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;
  ~KeptMemory();
};

}  // namespace l2t
