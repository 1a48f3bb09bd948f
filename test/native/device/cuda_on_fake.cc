// The CUDA backend (native/backends/cuda/backend.h) on the fake device, in place of the product's: its kernels run on
// the host.
#include <c10/core/DeviceGuard.h>

#include "native/backends/cuda/backend.h"
#include "native/backends/cuda/launch.h"
#include "test/native/device/opened.h"

namespace l2t::backends::cuda {

bool is_gpu(c10::Device device) { return device.type() == c10::kPrivateUse1; }

bool GpuBackend::multiplies_in(Precision /*precision*/, c10::Device /*device*/) const { return true; }
std::unique_ptr<Graphs> GpuBackend::graphs(c10::Device /*device*/) const { return nullptr; }
std::optional<DeviceMemory> GpuBackend::memory(c10::Device /*device*/) const { return {}; }
void GpuBackend::reset_peak_memory(c10::Device /*device*/) const {}
Versions GpuBackend::versions() const { return {}; }
Gpus GpuBackend::gpus() const { return {}; }

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
