// LibTorch's CUDAGraph is laid out by CUDA_VERSION, so its own header must find that defined.
#include <cuda.h>
static_assert(CUDA_VERSION >= 11000, "<cuda.h> must come before CUDAGraph.h");

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include "native/backends/cuda/backend.h"
#include "native/core/side_stream.h"

namespace l2t::backends::cuda {
namespace {

/// Returns how many operations a stream has captured so far; 0 where CUDA does not say, since only `bench` reads it.
size_t captured_launches(cudaStream_t stream) {
  cudaStreamCaptureStatus status{};
  cudaGraph_t graph = nullptr;
#if CUDART_VERSION >= 13000
  const auto found = cudaStreamGetCaptureInfo(stream, &status, nullptr, &graph);
#else
  const auto found = cudaStreamGetCaptureInfo_v2(stream, &status, nullptr, &graph);
#endif
  size_t launches = 0;
  if (found == cudaSuccess && graph != nullptr && cudaGraphGetNodes(graph, nullptr, &launches) == cudaSuccess) {
    return launches;
  }
  (void)cudaGetLastError();
  return 0;
}

/// Held while a graph is captured: other runs of the process must not empty the allocator's cache or wait for a device
/// meanwhile.
std::mutex capturing;

class CudaGraphs final : public Graphs {
 public:
  explicit CudaGraphs(c10::Device device)
      : stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())) {}

  void warm_up(const Work& work) override {
    const c10::Stream current = c10::cuda::getCurrentCUDAStream(stream_.device_index());
    order(current, stream_);
    {
      const c10::cuda::CUDAStreamGuard guard(stream_);
      work();
    }
    order(stream_, current);
  }

  size_t capture(const Work& work) override {
    const std::scoped_lock lock(capturing);
    // The memory of warm-ups would stay reserved beside the graphs' own.
    c10::cuda::CUDACachingAllocator::emptyCache();
    Captured captured{std::make_unique<at::cuda::CUDAGraph>(), 0};
    captured.launches = capture_on_stream(*captured.graph, work);
    graphs_.push_back(std::move(captured));
    return graphs_.size() - 1;
  }

  void copy_in(const at::Tensor& fixed, const at::Tensor& values) override {
    fixed.copy_(values, /*non_blocking=*/true);
  }

  void replay(size_t graph) override { graphs_[graph].graph->replay(); }

  [[nodiscard]] size_t launches(size_t graph) const override { return graphs_[graph].launches; }

  void reset() override {
    // A graph must not be destroyed while it runs. Where the device has failed, the run already ends with its error.
    // LibTorch's guard of the device would throw then, which a destructor must not.
    const std::scoped_lock lock(capturing);
    if (!graphs_.empty()) {
      int before = 0;
      (void)cudaGetDevice(&before);
      (void)cudaSetDevice(stream_.device_index());
      (void)cudaDeviceSynchronize();
      (void)cudaSetDevice(before);
      (void)cudaGetLastError();
    }
    graphs_.clear();
  }

 private:
  struct Captured {
    std::unique_ptr<at::cuda::CUDAGraph> graph;
    size_t launches;
  };

  /// Returns the number of launches.
  size_t capture_on_stream(at::cuda::CUDAGraph& graph, const Work& work) const {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    size_t launches = 0;
    // Other threads may take pinned memory meanwhile, for images that they decode.
    graph.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
    std::exception_ptr failure;
    try {
      work();
      launches = captured_launches(stream_.stream());
    } catch (...) {
      failure = std::current_exception();
    }
    // Also after a failure: else the stream and the allocator would stay in the capture.
    try {
      graph.capture_end();
    } catch (const c10::Error&) {
      // An invalid capture ends before the allocator is told.
      release_pool();
      if (!failure) throw;
    }
    if (failure) std::rethrow_exception(failure);
    return launches;
  }

  void release_pool() const {
    const auto device = stream_.device_index();
    try {
      c10::cuda::CUDACachingAllocator::endAllocateToPool(device, pool_);
      c10::cuda::CUDACachingAllocator::releasePool(device, pool_);
    } catch (const c10::Error& /*it was told*/) {
      return;  // The graph releases the pool.
    }
  }

  c10::cuda::CUDAStream stream_;
  at::cuda::MempoolId_t pool_ = at::cuda::graph_pool_handle();
  std::vector<Captured> graphs_;
};

}  // namespace

std::unique_ptr<Graphs> GpuBackend::graphs(c10::Device device) const { return std::make_unique<CudaGraphs>(device); }

}  // namespace l2t::backends::cuda
