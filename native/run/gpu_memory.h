#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace l2t::run {

/// The largest batch below `batch` whose step fits into `room` bytes, estimated from a step on fewer images; 0 where
/// not even two fit. `memory_of`: bytes that a step on so many images takes, nothing where they do not fit.
int64_t fitting_batch(int64_t batch, size_t room, const std::function<std::optional<size_t>(int64_t)>& memory_of);

/// The message of a step that ran out of memory. `fits`: what fitting_batch returned; nothing where it was not asked.
std::string out_of_gpu_memory(int64_t batch, std::optional<int64_t> fits);

}  // namespace l2t::run
