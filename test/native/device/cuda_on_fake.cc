// The CUDA backend (native/backends/cuda/cuda.h) on the fake device, in place of the product's: its kernels run on the
// host.
#include <c10/core/DeviceGuard.h>

#include "native/backends/cuda/cuda.h"
#include "native/backends/cuda/launch.h"
#include "test/native/device/opened.h"

namespace l2t::backends::cuda {

bool supports(const at::TensorOptions& options) { return options.device().type() == c10::kPrivateUse1; }

void set_arithmetic(const Arithmetic& /*arithmetic*/) {}

std::unique_ptr<Graphs> graphs(c10::Device /*device*/) { return nullptr; }

Memory memory(c10::Device /*device*/) { return {}; }
void reset_peak_memory(c10::Device /*device*/) {}
size_t free_bytes(c10::Device /*device*/) { return 0; }
int compute_major(c10::Device /*device*/) { return 9; }

std::vector<GpuDescription> gpus() { return {}; }

std::string compiled_for() { return {}; }
std::string runtime_version() { return {}; }
std::string cudnn_version() { return {}; }

struct HostAccess::Opening {
  explicit Opening(at::TensorList tensors) : guard(tensors.front().device()), opened(tensors) {}
  c10::DeviceGuard guard;  // as the launch on a GPU has it
  test::Opened opened;
};

HostAccess::HostAccess(const char* kernel, at::TensorList tensors) : opening_(std::make_unique<Opening>(tensors)) {
  test::count_kernel(kernel);
}

HostAccess::~HostAccess() = default;

}  // namespace l2t::backends::cuda
