#include "native/run/gpu_memory.h"

#include <algorithm>

namespace l2t::run {

int64_t fitting_batch(int64_t batch, size_t room, const std::function<std::optional<size_t>(int64_t)>& memory_of) {
  for (int64_t images = std::max<int64_t>(2, batch / 2); images >= 2 && images < batch; images /= 2) {
    const auto bytes = memory_of(images);
    if (!bytes || *bytes == 0) continue;
    // A part of the memory does not grow with the batch, so this errs on the safe side.
    const auto estimate = static_cast<double>(images) * static_cast<double>(room) / static_cast<double>(*bytes);
    return std::clamp(static_cast<int64_t>(estimate), images, batch - 1);
  }
  return 0;
}

std::string out_of_gpu_memory(int64_t batch, std::optional<int64_t> fits) {
  const auto step = "The GPU ran out of memory in a step on " + std::to_string(batch) + " images. ";
  if (!fits) return step + "Use a smaller {batch}, {size} or {width}, or more processes.";
  if (fits == 0) {
    return step + "Not even 2 fit: use a smaller {size} or {width}, or end other programs that use the GPU.";
  }
  const auto number = std::to_string(*fits);
  return step + "About " + number + " would fit: use {batch=" + number + "}, or a smaller {size} or {width}.";
}

}  // namespace l2t::run
