#pragma once
#include <ATen/core/Tensor.h>

#include <cstddef>
#include <functional>

#include "native/core/interface.h"

namespace l2t::backends {

/// Captures work on a device once and repeats it at the cost of one launch (CUDA graphs). Captured work reads nothing
/// on the host, and reads and writes the same tensors each time.
class Graphs : public Interface {
 public:
  using Work = std::function<void()>;

  /// Runs work as a capture would, but at once: libraries make what they keep between calls.
  virtual void warm_up(const Work& work) = 0;
  /// Captures work without running it, in memory that all graphs share. Returns the graph's number.
  virtual size_t capture(const Work& work) = 0;
  /// Copies new values into a tensor that a graph reads, without the host waiting.
  virtual void copy_in(const at::Tensor& fixed, const at::Tensor& values) = 0;
  virtual void replay(size_t graph) = 0;
  /// How many operations a graph holds: kernels, copies and fills.
  [[nodiscard]] virtual size_t launches(size_t graph) const = 0;
  /// Drops all graphs and their memory.
  virtual void reset() = 0;
};

}  // namespace l2t::backends
