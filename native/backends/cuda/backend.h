#pragma once
#include "native/backends/backend.h"

/// A build with CUDA compiles all files of this folder but none.cc; one without compiles none.cc alone.
namespace l2t::backends::cuda {

bool is_gpu(c10::Device device);

/// Facts about the GPUs from CUDA's runtime and LibTorch's allocator (runtime.cc, graphs.cc).
class GpuBackend : public Backend {
 public:
  [[nodiscard]] bool multiplies_in(Precision precision, c10::Device device) const override;
  [[nodiscard]] std::unique_ptr<Graphs> graphs(c10::Device device) const override;
  [[nodiscard]] std::optional<DeviceMemory> memory(c10::Device device) const override;
  void reset_peak_memory(c10::Device device) const override;
  [[nodiscard]] Versions versions() const override;
  [[nodiscard]] Gpus gpus() const override;
};

/// The own kernels (backend.cc). Null where they do not support the arithmetic, and in a build without CUDA.
const Backend* backend_for(const Arithmetic& arithmetic);

}  // namespace l2t::backends::cuda
