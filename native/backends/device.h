#pragma once
#include <cstddef>
#include <string>
#include <vector>

/// Facts about a backend's devices, under the names of src/native/contract.ts.
namespace l2t::backends {

/// Bytes that LibTorch's allocator holds on a device: in tensors, and taken from the driver.
struct DeviceMemory {
  size_t allocated;
  size_t reserved;
  size_t peak_allocated;
  size_t peak_reserved;
  size_t free;  // that the driver has left

  static void fields(auto& self, auto&& visit) {
    visit("allocated", self.allocated);
    visit("reserved", self.reserved);
    visit("peakAllocated", self.peak_allocated);
    visit("peakReserved", self.peak_reserved);
  }
};

/// Releases such as "12.4": of the headers that the backend was compiled with, and of the runtime library that LibTorch
/// brings. Their first numbers must be equal: between them, CUDA's structs change.
struct Versions {
  std::string compiled_for;
  std::string runtime;

  static void fields(auto& self, auto&& visit) {
    visit("compiledFor", self.compiled_for);
    visit("runtime", self.runtime);
  }
};

/// The facts about a GPU that `doctor` and `bench` show.
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

struct Gpus {
  std::string problem;                // why none can be used; "" where one can
  std::string cudnn;                  // the release that LibTorch uses, such as "9.1.0"
  std::vector<GpuDescription> found;  // by index

  static void fields(auto& self, auto&& visit) {
    visit("problem", self.problem);
    visit("cudnn", self.cudnn);
    visit("gpus", self.found);
  }
};

}  // namespace l2t::backends
