#pragma once
#include <cstddef>

namespace l2t {

/// From this call on, CPU tensors of 64 KiB and more are allocated in one region, which keeps freed memory and uses it
/// again. An iteration makes the same tensors as the one before it, so from the second on it gets their memory back as
/// it is: the system clears no page, and the caches stay warm. Smaller tensors stay with LibTorch's allocator, and so
/// do all where the region can't be reserved or is full. Applies to the whole process; further calls do nothing.
void keep_freed_memory();

/// Bytes of such tensors: alive now, and at the peak.
struct MemoryUse {
  size_t now;
  size_t peak;

  static void fields(auto& self, auto&& visit) {
    visit("now", self.now);
    visit("peak", self.peak);
  }
};
MemoryUse memory_use();

/// Declare it first in a job that makes many tensors, so that it is destroyed after them. Then, if no other such job
/// runs, it gives the kept pages back to the system.
class KeptMemory {
 public:
  KeptMemory();
  KeptMemory(const KeptMemory&) = delete;
  KeptMemory& operator=(const KeptMemory&) = delete;
  ~KeptMemory();
};

}  // namespace l2t
