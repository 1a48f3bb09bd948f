#include "native/core/side_stream.h"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace l2t {
namespace {

c10::Stream current_stream(c10::Device device) { return c10::impl::VirtualGuardImpl(device.type()).getStream(device); }

/// The allocator must not give the memory away before this stream has used it, too.
void keep_for(const at::Tensor& tensor, const c10::Stream& stream) {
  const c10::impl::VirtualGuardImpl device(stream.device_type());
  device.recordDataPtrOnStream(tensor.storage().data_ptr(), stream);
}

}  // namespace

void order(const c10::Stream& before, const c10::Stream& after) {
  c10::Event event(before.device_type());
  event.record(before);
  event.block(after);
}

SideStream::SideStream(c10::Device device) : device_(device) {
  if (!device.is_cpu()) stream_ = c10::impl::VirtualGuardImpl(device.type()).getNewStream(device);
}

at::Tensor SideStream::upload(const at::Tensor& host) const {
  if (!stream_) return host;
  const auto current = current_stream(device_);
  const c10::StreamGuard guard(*stream_);
  auto values = host.to(device_, /*non_blocking=*/true);
  order(*stream_, current);
  keep_for(values, current);
  return values;
}

SideStream::Download SideStream::download(const at::Tensor& values) const {
  if (!stream_) return {values.clone(), std::nullopt};
  order(current_stream(device_), *stream_);
  keep_for(values, *stream_);
  const c10::StreamGuard guard(*stream_);
  // A copy that does not block takes pinned memory, which only CUDA has.
  auto host = values.to(at::kCPU, /*non_blocking=*/device_.is_cuda());
  c10::Event copied(device_.type());
  copied.record(*stream_);
  return {std::move(host), std::move(copied)};
}

const at::Tensor& SideStream::Download::wait() const {
  if (copied) copied->synchronize();
  return host;
}

at::TensorOptions upload_options(c10::Device device, at::ScalarType type) {
  return at::TensorOptions().dtype(type).pinned_memory(device.is_cuda());
}

}  // namespace l2t
