#pragma once
#include <c10/core/Device.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "native/backends/backend.h"

/// Everything that needs CUDA's headers stands behind this one. A build with CUDA compiles the other files of this
/// folder; one without compiles none.cc alone, in which no device is supported.
namespace l2t::backends::cuda {

/// Whether this build has kernels for such tensors: float and double on a CUDA device.
bool supports(const at::TensorOptions& options);

/// Fused units by own kernels (backend.cc). Only where `supports`.
const Backend& backend();

/// How a process computes on its GPUs.
struct Arithmetic {
  enum class Precision { kFloat32, kTf32, kBf16 };
  Precision precision = Precision::kFloat32;
  bool deterministic = true;
};

/// Sets LibTorch's switches for cuDNN and cuBLAS. Call it before the first operation on a GPU.
void set_arithmetic(const Arithmetic& arithmetic);

/// Bytes that LibTorch's allocator holds on a device: in tensors, and taken from the driver.
struct Memory {
  size_t allocated;
  size_t reserved;
  size_t peak_allocated;
  size_t peak_reserved;
};
Memory memory(c10::Device device);
void reset_peak_memory(c10::Device device);

/// What `doctor` shows of a GPU.
struct GpuDescription {
  std::string name;
  std::string compute_capability;  // "9.0"
  size_t free_bytes;
  size_t total_bytes;
};
std::vector<GpuDescription> gpus();

/// "12.4", and "" in a build without CUDA: the CUDA release of the headers that this build was compiled with.
std::string compiled_for();

}  // namespace l2t::backends::cuda
