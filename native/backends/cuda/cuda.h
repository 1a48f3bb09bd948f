#pragma once
#include <c10/core/Device.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "native/backends/backend.h"
#include "native/backends/graphs.h"

/// Everything that needs CUDA's headers stands behind this one. A build with CUDA compiles all files of this folder but
/// none.cc. One without compiles none.cc, in which no device is supported, and arithmetic.cc, which needs no CUDA
/// header.
namespace l2t::backends::cuda {

/// Whether this build has kernels for such tensors: float and double on a CUDA device.
bool supports(const at::TensorOptions& options);

/// Fused units by own kernels (backend.cc). Only where `supports`.
const Backend& backend(Precision precision);

/// How a process computes on its GPUs.
struct Arithmetic {
  using Precision = backends::Precision;
  Precision precision = Precision::kFloat32;
  bool deterministic = true;
};

/// Sets LibTorch's switches for cuDNN and cuBLAS. Call it before the first operation on a GPU, and only in a process
/// that computes on one: the switch for deterministic algorithms also holds for operations on the CPU.
void set_arithmetic(const Arithmetic& arithmetic);

/// Graphs of work on a CUDA device; null for any other, and in a build without CUDA.
std::unique_ptr<Graphs> graphs(c10::Device device);

/// Bytes that LibTorch's allocator holds on a device: in tensors, and taken from the driver.
struct Memory {
  size_t allocated;
  size_t reserved;
  size_t peak_allocated;
  size_t peak_reserved;

  static void fields(auto& self, auto&& visit) {
    visit("allocated", self.allocated);
    visit("reserved", self.reserved);
    visit("peakAllocated", self.peak_allocated);
    visit("peakReserved", self.peak_reserved);
  }
};
Memory memory(c10::Device device);
void reset_peak_memory(c10::Device device);
/// Bytes that the driver has left on a device.
size_t free_bytes(c10::Device device);
/// The first number of a device's compute capability.
int compute_major(c10::Device device);

/// What `doctor` and `bench` show of a GPU.
struct GpuDescription {
  std::string name;
  std::string compute_capability;  // "9.0"
  size_t free_bytes;
  size_t total_bytes;
  /// GFLOP/s that its float32 cores reach at their highest clock, tensor cores aside; 0 for an unknown architecture.
  double float32_gflops;

  static void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("computeCapability", self.compute_capability);
    visit("freeBytes", self.free_bytes);
    visit("totalBytes", self.total_bytes);
    visit("float32Gflops", self.float32_gflops);
  }
};
/// The visible GPUs, by index. It starts CUDA on each of them, which takes seconds and a part of their memory.
std::vector<GpuDescription> gpus();

/// Releases such as "12.4"; "" in a build without CUDA: of the headers that this build was compiled with, and of the
/// runtime library that LibTorch brings. Their first numbers must be equal: between them, CUDA's structs change.
std::string compiled_for();
std::string runtime_version();
/// The release of cuDNN that LibTorch uses, such as "9.1.0"; "" in a build without CUDA.
std::string cudnn_version();

}  // namespace l2t::backends::cuda
