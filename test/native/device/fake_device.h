#pragma once
#include <ATen/core/Tensor.h>

/// A device of our own, registered with LibTorch as `fake` (its place for such devices is PrivateUse1). It computes by
/// the CPU's kernels, but the host cannot touch its memory: a read or a write from outside of a copy or an operation is
/// a segmentation fault. So a program that passes on it keeps its tensors on the device. Its files:
///   memory.cc      allocator, protection, pinned memory of the host
///   guard.cc       current device, streams, events
///   operations.cc  copies and LibTorch's operations
///   counts.cc      counts of these
///   opened.h       for own kernels
namespace l2t::test {

/// There are two, and all work belongs on the second, so code that takes the first by default is seen.
constexpr c10::DeviceIndex kDevices = 2;
inline c10::Device fake_device() { return {c10::kPrivateUse1, kDevices - 1}; }

/// The allocator of the current device, and that of pinned memory.
c10::Allocator& device_allocator();
c10::Allocator& pinned_allocator();
bool is_pinned(const void* data);

/// A tensor of the CPU on the memory of a tensor of the device, which must be opened (opened.h) while it is read. An
/// undefined tensor, or one of the CPU, is returned as it is.
at::Tensor host_alias(const at::Tensor& tensor);

}  // namespace l2t::test
