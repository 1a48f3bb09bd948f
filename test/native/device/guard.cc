#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <array>
#include <atomic>

#include "test/native/device/counts.h"
#include "test/native/device/fake_device.h"

namespace l2t::test {
namespace {

thread_local c10::DeviceIndex current_device = 0;
/// The current stream of each device; 0 is the default one.
thread_local std::array<c10::StreamId, kDevices> current_streams{};

c10::Stream stream_of(c10::Device device, c10::StreamId id) { return c10::Stream(c10::Stream::UNSAFE, device, id); }

/// All work is done when the host asks for it, so streams only have names, and events nothing to wait for.
class Guard final : public c10::impl::DeviceGuardImplInterface {
 public:
  [[nodiscard]] c10::DeviceType type() const override { return c10::kPrivateUse1; }

  [[nodiscard]] c10::Device getDevice() const override { return {c10::kPrivateUse1, current_device}; }
  void setDevice(c10::Device device) const override { uncheckedSetDevice(device); }
  void uncheckedSetDevice(c10::Device device) const noexcept override {
    if (device.has_index()) current_device = device.index();
  }
  [[nodiscard]] c10::Device exchangeDevice(c10::Device device) const override {
    const auto before = getDevice();
    uncheckedSetDevice(device);
    return before;
  }
  [[nodiscard]] c10::DeviceIndex deviceCount() const noexcept override { return kDevices; }
  void synchronizeDevice(c10::DeviceIndex /*device*/) const override { count_wait(); }

  [[nodiscard]] c10::Stream getStream(c10::Device device) const noexcept override {
    return stream_of(indexed(device), current_streams[indexed(device).index()]);
  }
  [[nodiscard]] c10::Stream getDefaultStream(c10::Device device) const override {
    return stream_of(indexed(device), 0);
  }
  [[nodiscard]] c10::Stream getStreamFromGlobalPool(c10::Device device, bool /*high_priority*/) const override {
    return getNewStream(device, 0);
  }
  [[nodiscard]] c10::Stream getNewStream(c10::Device device, int /*priority*/) const override {
    static std::atomic<c10::StreamId> made = 0;
    return stream_of(indexed(device), ++made);
  }
  [[nodiscard]] c10::Stream exchangeStream(c10::Stream stream) const noexcept override {
    const auto before = getStream(stream.device());
    current_streams[stream.device_index()] = stream.id();
    return before;
  }
  [[nodiscard]] bool queryStream(const c10::Stream& /*stream*/) const override { return true; }
  void synchronizeStream(const c10::Stream& /*stream*/) const override { count_wait(); }

  void record(void** event, const c10::Stream& /*stream*/, c10::DeviceIndex /*device*/,
              c10::EventFlag /*flag*/) const override {
    static int recorded;
    *event = &recorded;
  }
  void block(void* /*event*/, const c10::Stream& /*stream*/) const override {}
  [[nodiscard]] bool queryEvent(void* /*event*/) const override { return true; }
  void synchronizeEvent(void* /*event*/) const override { count_wait(); }
  void destroyEvent(void* /*event*/, c10::DeviceIndex /*device*/) const noexcept override {}

 private:
  [[nodiscard]] c10::Device indexed(c10::Device device) const noexcept {
    return device.has_index() ? device : getDevice();
  }
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

class Hooks final : public at::PrivateUse1HooksInterface {
 public:
  [[nodiscard]] bool hasPrimaryContext(c10::DeviceIndex /*device*/) const override { return true; }
  [[nodiscard]] c10::DeviceIndex deviceCount() const override { return kDevices; }
  [[nodiscard]] c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_allocator(); }
  [[nodiscard]] bool isPinnedPtr(const void* data) const override { return is_pinned(data); }
};

const bool kRegistered = [] {
  c10::register_privateuse1_backend("fake");
  static Hooks hooks;
  at::RegisterPrivateUse1HooksInterface(&hooks);
  return true;
}();

}  // namespace
}  // namespace l2t::test
