// A build without CUDA.
#include "native/backends/cuda/cuda.h"
#include "native/core/error.h"

namespace l2t::backends::cuda {

bool supports(const at::TensorOptions& /*options*/) { return false; }

const Backend& backend(Precision /*precision*/) { throw Error("INTERNAL", "This build has no CUDA backend."); }

std::unique_ptr<Graphs> graphs(c10::Device /*device*/) { return nullptr; }

Memory memory(c10::Device /*device*/) { return {}; }
void reset_peak_memory(c10::Device /*device*/) {}
size_t free_bytes(c10::Device /*device*/) { return 0; }
int compute_major(c10::Device /*device*/) { return 0; }

std::vector<GpuDescription> gpus() { return {}; }

std::string compiled_for() { return {}; }
std::string runtime_version() { return {}; }
std::string cudnn_version() { return {}; }

}  // namespace l2t::backends::cuda
