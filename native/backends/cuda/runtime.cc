// Facts about the GPUs from CUDA's runtime library and LibTorch's allocator.
#include <ATen/Context.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <cuda_runtime_api.h>

#include "native/backends/cuda/backend.h"
#include "native/core/error.h"

namespace l2t::backends::cuda {
namespace {

/// CUDA writes release 12.4 as 12040.
std::string release(int version) { return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10); }

/// The sum over the allocator's pools of small and large blocks.
constexpr auto kTotal = static_cast<size_t>(c10::CachingDeviceAllocator::StatType::AGGREGATE);

/// Float32 cores of a multiprocessor, as CUDA's programming guide lists them; 0: not listed.
int float32_cores(int major, int minor) {
  switch (major) {
    case 5:
      return 128;
    case 6:
      return minor == 0 ? 64 : 128;
    case 7:
      return 64;
    case 8:
      return minor == 0 ? 64 : 128;
    case 9:
    case 10:
    case 12:
      return 128;
    default:
      return 0;
  }
}

/// Each core does a multiplication and an addition in a cycle.
double float32_gflops(const cudaDeviceProp& properties, c10::DeviceIndex index) {
  int kilohertz = 0;
  // cudaDeviceProp lacks the clock rate since CUDA 13.
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&kilohertz, cudaDevAttrClockRate, index));
  const double cores = properties.multiProcessorCount * float32_cores(properties.major, properties.minor);
  return 2 * cores * kilohertz * 1e-6;
}

/// Before the first operation on a GPU, the allocator knows of no device and refuses to speak of one.
void start_allocator() { at::globalContext().lazyInitDevice(c10::kCUDA); }

GpuDescription describe_gpu(c10::DeviceIndex index) {
  cudaDeviceProp properties{};
  C10_CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
  GpuDescription gpu{};
  gpu.name = properties.name;
  gpu.compute_capability = std::to_string(properties.major) + "." + std::to_string(properties.minor);
  gpu.float32_gflops = float32_gflops(properties, index);
  const c10::cuda::CUDAGuard guard(index);
  C10_CUDA_CHECK(cudaMemGetInfo(&gpu.free_bytes, &gpu.total_bytes));
  return gpu;
}

size_t free_bytes(c10::Device device) {
  const c10::cuda::CUDAGuard guard(device.index());
  size_t left = 0;
  size_t all = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&left, &all));
  return left;
}

// cuDNN writes release 9.1.0 as 90100, and 8.9.7 as 8907.
std::string cudnn_version() {
  const auto version = at::Context::versionCuDNN();
  const long major = version < 10000 ? 1000 : 10000;
  return std::to_string(version / major) + "." + std::to_string(version % major / 100) + "." +
         std::to_string(version % 100);
}

}  // namespace

bool is_gpu(c10::Device device) { return device.is_cuda(); }

bool GpuBackend::multiplies_in(Precision precision, c10::Device device) const {
  if (precision == Precision::kFloat32) return true;
  constexpr int kAmpere = 8;
  int major = 0;
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device.index()));
  return major >= kAmpere;
}

std::optional<DeviceMemory> GpuBackend::memory(c10::Device device) const {
  start_allocator();
  const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index());
  const auto& allocated = stats.allocated_bytes.at(kTotal);
  const auto& reserved = stats.reserved_bytes.at(kTotal);
  return DeviceMemory{static_cast<size_t>(allocated.current), static_cast<size_t>(reserved.current),
                      static_cast<size_t>(allocated.peak), static_cast<size_t>(reserved.peak), free_bytes(device)};
}

void GpuBackend::reset_peak_memory(c10::Device device) const {
  start_allocator();
  c10::cuda::CUDACachingAllocator::resetPeakStats(device.index());
}

Versions GpuBackend::versions() const {
  int version = 0;
  // No C10_CUDA_CHECK, which throws where there is no driver.
  const auto status = cudaRuntimeGetVersion(&version);
  if (status != cudaSuccess) throw Error("INTERNAL", cudaGetErrorString(status));
  return {release(CUDART_VERSION), release(version)};
}

Gpus GpuBackend::gpus() const {
  Gpus gpus{{}, cudnn_version(), {}};
  for (c10::DeviceIndex i = 0; i < c10::cuda::device_count(); ++i) gpus.found.push_back(describe_gpu(i));
  return gpus;
}

}  // namespace l2t::backends::cuda
