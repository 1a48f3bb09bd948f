#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>

#if defined(__CUDACC__)
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAStream.h>
#include <cooperative_groups.h>
#include <cuda_runtime_api.h>

#include <algorithm>

#define L2T_BODY __host__ __device__
#else
#include <memory>

#define L2T_BODY
#endif

/// Starts the own kernels. A kernel is a body, a struct that is passed by value:
///
///   static constexpr const char* kName;
///   static constexpr int kPhases;
///   int64_t threads(int phase) const;
///   void run(int phase, int64_t i) const;   // L2T_BODY; i = 0 … threads(phase) − 1
///
/// All threads finish a phase before one begins the next. Within a phase no thread reads what another writes, so the
/// order of threads changes nothing: sums have a fixed order, and the result is the same bits each time.
namespace l2t::backends::cuda {

#if defined(__CUDACC__)

constexpr int kBlock = 256;

template <class Body>
__global__ void run_phases(const Body body) {
  const auto grid = cooperative_groups::this_grid();
  const int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int phase = 0; phase < Body::kPhases; ++phase) {
    if (phase > 0) grid.sync();
    const int64_t threads = body.threads(phase);
    for (int64_t i = first; i < threads; i += stride) body.run(phase, i);
  }
}

/// The blocks of this kernel that the device holds at a time: more could never meet at the end of a phase.
template <class Body>
int64_t resident_blocks() {
  int device = 0;
  int processors = 0;
  int blocks = 0;
  C10_CUDA_CHECK(cudaGetDevice(&device));
  C10_CUDA_CHECK(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device));
  C10_CUDA_CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, run_phases<Body>, kBlock, 0));
  return static_cast<int64_t>(blocks) * processors;
}

/// `tensors`: all that the body reads or writes, on one device, the first of them defined.
template <class Body>
void launch(Body body, at::TensorList tensors) {
  const c10::DeviceGuard guard(tensors.front().device());
  int64_t threads = 0;
  for (int phase = 0; phase < Body::kPhases; ++phase) threads = std::max(threads, body.threads(phase));
  if (threads == 0) return;
  const auto wanted = (threads + kBlock - 1) / kBlock;
  const dim3 blocks(static_cast<unsigned>(std::min(wanted, resident_blocks<Body>())));
  const auto stream = c10::cuda::getCurrentCUDAStream().stream();
  void* arguments[] = {&body};
  auto* const kernel = reinterpret_cast<const void*>(run_phases<Body>);
  const auto start = Body::kPhases > 1 ? cudaLaunchCooperativeKernel<const void> : cudaLaunchKernel<const void>;
  C10_CUDA_CHECK(start(kernel, blocks, dim3(kBlock), arguments, 0, stream));
}

#else

/// While it lives, the host may read and write the tensors' memory. The tests define it for their own device
/// (test/native/device/), which counts one operation; nothing else compiles these files without nvcc.
class HostAccess {
 public:
  HostAccess(const char* kernel, at::TensorList tensors);
  HostAccess(const HostAccess&) = delete;
  HostAccess& operator=(const HostAccess&) = delete;
  ~HostAccess();

 private:
  struct Opening;
  std::unique_ptr<Opening> opening_;
};

template <class Body>
void launch(Body body, at::TensorList tensors) {
  const HostAccess access(Body::kName, tensors);
  for (int phase = 0; phase < Body::kPhases; ++phase) {
    const int64_t threads = body.threads(phase);
    for (int64_t i = 0; i < threads; ++i) body.run(phase, i);
  }
}

#endif

}  // namespace l2t::backends::cuda
