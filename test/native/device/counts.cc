#include "test/native/device/counts.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <mutex>
#include <numeric>

#include "test/native/device/fake_device.h"
#include "test/native/device/opened.h"

namespace l2t::test {
namespace {

std::mutex mutex;
Counts current;
/// How many operations the calling thread is inside of.
thread_local int depth = 0;

}  // namespace

int64_t Counts::total() const {
  return std::accumulate(operations.begin(), operations.end(), int64_t{0},
                         [](int64_t sum, const auto& entry) { return sum + entry.second; });
}

Counts counts() {
  const std::lock_guard lock(mutex);
  return current;
}

void reset_counts() {
  const std::lock_guard lock(mutex);
  current = {};
}

Operation::Operation(const std::string& name) {
  if (depth++ > 0) return;
  const std::lock_guard lock(mutex);
  ++current.operations[name];
}

Operation::~Operation() { --depth; }

void count_copy(c10::Device from, c10::Device to) {
  if (depth > 0) return;
  const std::lock_guard lock(mutex);
  ++(from.is_cpu() ? current.uploads : to.is_cpu() ? current.downloads : current.copies);
}

void count_wait() {
  if (depth > 0) return;
  const std::lock_guard lock(mutex);
  ++current.waits;
}

void count_memory(c10::Device device) {
  const std::lock_guard lock(mutex);
  if (device != fake_device()) ++current.strays;
}

void count_kernel(const char* name) {
  const auto device = c10::impl::VirtualGuardImpl(c10::kPrivateUse1).getDevice();
  TORCH_CHECK(device == fake_device(), name, " starts on ", device, ": its launch must make the device of its tensors ",
              "the current one.");
  const Operation kernel(name);
}

}  // namespace l2t::test
