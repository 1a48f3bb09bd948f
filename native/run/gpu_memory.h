#pragma once
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "native/run/events.h"

namespace l2t::run {

/// The most that the process held on the device; nothing where that is no GPU.
std::optional<GpuMemory> gpu_memory(c10::Device device);

/// Bytes that more tensors can take on a GPU.
size_t gpu_room(c10::Device device);

/// The largest batch below `batch` whose step fits into `room` bytes, estimated from a step on fewer images; 0 where
/// not even two fit. `memory_of`: bytes that a step on so many images takes, nothing where they do not fit.
int64_t fitting_batch(int64_t batch, size_t room, const std::function<std::optional<size_t>(int64_t)>& memory_of);

/// The message of a step that ran out of memory. `fits`: what fitting_batch returned; nothing where it was not asked.
std::string out_of_gpu_memory(int64_t batch, std::optional<int64_t> fits);

}  // namespace l2t::run
