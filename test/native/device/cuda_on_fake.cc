// The CUDA backend (native/backends/cuda/cuda.h) of this program, in place of the product's.
#include "native/backends/cuda/cuda.h"
#include "native/core/error.h"

namespace l2t::backends::cuda {

// No kernel runs on the fake device yet, so the reference backend computes.
bool supports(const at::TensorOptions& /*options*/) { return false; }

const Backend& backend() { throw Error("INTERNAL", "The fake device has no kernels of the CUDA backend."); }

void set_arithmetic(const Arithmetic& /*arithmetic*/) {}

Memory memory(c10::Device /*device*/) { return {}; }
void reset_peak_memory(c10::Device /*device*/) {}

std::vector<GpuDescription> gpus() { return {}; }

std::string compiled_for() { return {}; }

}  // namespace l2t::backends::cuda
