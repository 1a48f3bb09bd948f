#include <ATen/ops/from_blob.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <set>

#include "test/native/device/counts.h"
#include "test/native/device/fake_device.h"
#include "test/native/device/opened.h"

namespace l2t::test {
namespace {

/// The pages of all tensors of the device. Closed, they may not be read or written. Pages that were given back stay
/// closed until they are taken again; making new ones costs more than a small operation.
class Memory {
 public:
  void* take(size_t bytes) {
    const size_t size = (bytes + kPage - 1) / kPage * kPage;
    const std::lock_guard lock(mutex_);
    const auto spare = spare_.find(size);
    if (spare != spare_.end()) {
      void* const data = spare->second;
      spare_.erase(spare);
      return data;
    }
    void* const data = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TORCH_CHECK(data != MAP_FAILED, "The fake device is out of memory.");
    blocks_[data] = {size, 0};
    return data;
  }

  void give_back(void* data) {
    const std::lock_guard lock(mutex_);
    spare_.emplace(blocks_.at(data).size, data);
  }

  void open(void* data) {
    const std::lock_guard lock(mutex_);
    auto& [size, users] = blocks_.at(data);
    if (users++ == 0) mprotect(data, size, PROT_READ | PROT_WRITE);
  }

  void close(void* data) {
    const std::lock_guard lock(mutex_);
    auto& [size, users] = blocks_.at(data);
    if (--users == 0) mprotect(data, size, PROT_NONE);
  }

 private:
  static constexpr size_t kPage = 4096;
  struct Block {
    size_t size;
    int users;  // operations that have it open now
  };
  std::mutex mutex_;
  std::map<void*, Block> blocks_;
  std::multimap<size_t, void*> spare_;  // by size
};

/// Never destroyed: tensors may outlive static objects.
Memory& memory() {
  static auto* const memory = new Memory;
  return *memory;
}

class DeviceAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const auto device = c10::impl::VirtualGuardImpl(c10::kPrivateUse1).getDevice();
    count_memory(device);
    void* const data = bytes == 0 ? nullptr : memory().take(bytes);
    return {data, data, &give_back, device};
  }
  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* /*to*/, const void* /*from*/, size_t /*bytes*/) const override {
    TORCH_CHECK(false, "The host may not copy memory of the fake device.");
  }

 private:
  static void give_back(void* data) {
    if (data != nullptr) memory().give_back(data);
  }
};

/// Allocates memory of the host whose copies to and from the device need not wait.
class PinnedAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const data = std::malloc(bytes);
    const std::lock_guard lock(mutex());
    blocks().insert(data);
    return {data, data, &give_back, c10::Device(c10::kCPU)};
  }
  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return &give_back; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  static bool holds(const void* data) {
    const std::lock_guard lock(mutex());
    return blocks().count(data) > 0;
  }

 private:
  static void give_back(void* data) {
    {
      const std::lock_guard lock(mutex());
      blocks().erase(data);
    }
    std::free(data);
  }
  static std::mutex& mutex() {
    static auto* const mutex = new std::mutex;
    return *mutex;
  }
  static std::set<const void*>& blocks() {
    static auto* const blocks = new std::set<const void*>;
    return *blocks;
  }
};

bool on_device(const at::Tensor& tensor) { return tensor.defined() && tensor.is_privateuseone(); }

/// Returns the start of a tensor's memory; null for one without elements.
void* block_of(const at::Tensor& tensor) { return tensor.storage().mutable_data(); }

}  // namespace

c10::Allocator& device_allocator() {
  static auto* const allocator = new DeviceAllocator;
  return *allocator;
}

c10::Allocator& pinned_allocator() {
  static auto* const allocator = new PinnedAllocator;
  return *allocator;
}

bool is_pinned(const void* data) { return PinnedAllocator::holds(data); }

at::Tensor host_alias(const at::Tensor& tensor) {
  if (!on_device(tensor)) return tensor;
  const auto options = tensor.options().device(at::kCPU).requires_grad(false);
  return at::from_blob(tensor.mutable_data_ptr(), tensor.sizes(), tensor.strides(), options);
}

Opened::Opened(at::TensorList tensors) {
  for (const auto& tensor : tensors) {
    if (!on_device(tensor) || block_of(tensor) == nullptr) continue;
    TORCH_CHECK(tensors_.empty() || tensor.device() == tensors_.front().device(),
                "Tensors of two devices meet: ", tensors_.front().device(), " and ", tensor.device(), ".");
    tensors_.push_back(tensor);
  }
  for (const auto& tensor : tensors_) memory().open(block_of(tensor));
}

Opened::~Opened() {
  for (const auto& tensor : tensors_) memory().close(block_of(tensor));
}

}  // namespace l2t::test
