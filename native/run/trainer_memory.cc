#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include "native/core/error.h"
#include "native/run/gpu_memory.h"
#include "native/run/trainer.h"

/// A trainer's answer to exhausted GPU memory.
namespace l2t::run {

at::Tensor Trainer::within_memory(int64_t labelled, const std::function<at::Tensor()>& step) {
  try {
    return step();
  } catch (const c10::OutOfMemoryError&) {
    if (!device_.is_cuda()) throw;
  }
  // The run is over: its graphs may go, and its weights may change.
  iterate_.reset();
  const auto memory = backends::backend_for({device_}).memory(device_);
  if (!reducer().single() || !memory) throw Error("OUT_OF_MEMORY", out_of_gpu_memory(labelled, std::nullopt));
  // LibTorch gives what it holds without use back to the driver before it refuses.
  const auto room = memory->free + memory->reserved - memory->allocated;
  const auto fits = fitting_batch(labelled, room, [this](int64_t fewer) { return memory_of_step(fewer); });
  throw Error("OUT_OF_MEMORY", out_of_gpu_memory(labelled, fits));
}

/// Measures a whole iteration, even if a step of try_rates failed. Returns nothing if the memory ends again.
std::optional<size_t> Trainer::memory_of_step(int64_t labelled) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device_);
  const auto images = labelled * batches_.kinds();
  const auto blank = [&](int64_t size) {
    return at::empty({images, 3, size, size}, options, at::MemoryFormat::ChannelsLast).zero_();
  };
  const auto& backend = backends::backend_for({device_});
  const auto memory = [&] { return backend.memory(device_).value_or(backends::DeviceMemory{}); };
  const auto before = memory().allocated;
  backend.reset_peak_memory(device_);
  try {
    std::vector<at::Tensor> source_x;
    for (size_t k = 0; k < config_.sources.size(); ++k) {
      const auto& network = learner_.sources()[k].network;
      source_x.push_back(network.runs_elsewhere() ? at::zeros({images * nets::values_per_image(network)}, options)
                                                  : blank(config_.sources[k].size));
    }
    const auto y = at::zeros({labelled}, options.dtype(at::kLong));
    learner_.iterate({blank(config_.size), y, labelled, batches_.kinds()}, source_x,
                     at::zeros({}, options.dtype(at::kDouble)));
  } catch (const c10::OutOfMemoryError&) {
    return std::nullopt;
  }
  return memory().peak_allocated - before;
}

}  // namespace l2t::run
