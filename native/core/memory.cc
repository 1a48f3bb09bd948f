#include "native/core/memory.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "native/core/limits.h"

namespace l2t {
namespace {

constexpr size_t kSmallest = size_t{64} << 10U;
constexpr size_t kPage = 4096;
/// Bytes left to V8, which ends the process where it gets no memory.
constexpr size_t kRoomForNode = size_t{96} << 20U;

/// A best-fit allocator that joins free neighbours. It is made for few tensors at a time, of many sizes.
class Region {
 public:
  Region() : bytes_(static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    // The region is as large as the machine's memory; a page costs nothing until it is written.
    void* const begin =
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (begin == MAP_FAILED) return;
    begin_ = static_cast<char*>(begin);
    madvise(begin_, bytes_, MADV_HUGEPAGE);
    add_free(0, bytes_);
  }

  /// Null where nothing fits.
  void* allocate(size_t bytes) {
    const size_t size = (bytes + kPage - 1) / kPage * kPage;
    const std::lock_guard lock(mutex_);
    const auto fit = by_size_.lower_bound({size, 0});
    if (fit == by_size_.end()) return nullptr;
    const auto [room, offset] = *fit;
    remove_free(free_.find(offset));
    if (room > size) add_free(offset + size, room - size);
    taken_[offset] = size;
    use_.now += size;
    use_.peak = std::max(use_.peak, use_.now);
    return begin_ + offset;
  }

  [[nodiscard]] bool holds(const void* data) const {
    return begin_ != nullptr && data >= begin_ && data < begin_ + bytes_;
  }

  void free(void* data) {
    const std::lock_guard lock(mutex_);
    const auto taken = taken_.find(static_cast<size_t>(static_cast<char*>(data) - begin_));
    size_t offset = taken->first;
    size_t size = taken->second;
    taken_.erase(taken);
    use_.now -= size;
    auto next = free_.lower_bound(offset);
    if (next != free_.end() && next->first == offset + size) {
      size += next->second;
      next = remove_free(next);
    }
    if (next != free_.begin() && std::prev(next)->first + std::prev(next)->second == offset) {
      const auto previous = std::prev(next);
      offset = previous->first;
      size += previous->second;
      remove_free(previous);
    }
    add_free(offset, size);
  }

  [[nodiscard]] MemoryUse use() {
    const std::lock_guard lock(mutex_);
    return use_;
  }

  void release() {
    const std::lock_guard lock(mutex_);
    for (const auto& [offset, size] : free_) madvise(begin_ + offset, size, MADV_DONTNEED);
  }

 private:
  using Free = std::map<size_t, size_t>;

  void add_free(size_t offset, size_t size) {
    free_.emplace(offset, size);
    by_size_.emplace(size, offset);
  }

  Free::iterator remove_free(Free::iterator range) {
    by_size_.erase({range->second, range->first});
    return free_.erase(range);
  }

  size_t bytes_;
  char* begin_ = nullptr;
  std::mutex mutex_;
  Free free_;                                    // offset → size
  std::set<std::pair<size_t, size_t>> by_size_;  // (size, offset)
  std::unordered_map<size_t, size_t> taken_;     // offset → size
  MemoryUse use_{};
};

/// Never destroyed: tensors may outlive static objects.
Region& region() {
  static auto* const region = new Region;
  return *region;
}

class KeepingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const data = bytes < kSmallest ? nullptr : region().allocate(bytes);
    if (data == nullptr) return allocate_elsewhere(bytes);
    return {data, data, &give_back, c10::Device(c10::kCPU)};
  }

  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return &give_back; }

  void copy_data(void* destination, const void* source, size_t bytes) const override {
    default_copy_data(destination, source, bytes);
  }

 private:
  static c10::DataPtr allocate_elsewhere(size_t bytes) {
    if (bytes >= kSmallest && address_space_is_limited()) require_address_space(bytes + kRoomForNode);
    return c10::GetDefaultCPUAllocator()->allocate(bytes);
  }
  static void give_back(void* data) {
    if (region().holds(data)) {
      region().free(data);
    } else {
      c10::GetDefaultCPUAllocator()->raw_deleter()(data);
    }
  }
};

}  // namespace

void keep_freed_memory() {
  // Never destroyed: tensors may outlive static objects.
  static const auto* const allocator = [] {
    auto* const made = new KeepingAllocator;
    c10::SetCPUAllocator(made, /*priority=*/1);
    return made;
  }();
  static_cast<void>(allocator);
}

MemoryUse memory_use() { return region().use(); }

namespace {
std::atomic<int> jobs = 0;
}  // namespace

KeptMemory::KeptMemory() { ++jobs; }

// If another job still runs, its next step uses the freed memory again.
KeptMemory::~KeptMemory() {
  if (--jobs == 0) region().release();
}

}  // namespace l2t
