#include "native/backends/backend.h"

#include <algorithm>

#include "native/backends/cpu/backend.h"
#include "native/backends/cuda/cuda.h"
#include "native/backends/reference/backend.h"
#include "native/core/error.h"

namespace l2t::backends {

bool Part::is_feature(size_t value) const {
  return std::any_of(network.features.begin(), network.features.end(),
                     [&](const auto& feature) { return static_cast<size_t>(feature.value) == value; });
}

bool Part::reads_alone(size_t i) const {
  if (network.operations[i].inputs.front() != static_cast<int>(i)) return false;
  int64_t readers = 0;
  for (const auto& operation : network.operations) {
    readers += std::count(operation.inputs.begin(), operation.inputs.end(), static_cast<int>(i));
  }
  return readers == 1;
}

CrossEntropy Backend::cross_entropy(const at::Tensor& z, const ops::Labels& labels) const {
  CrossEntropy result;
  result.loss = ops::cross_entropy(z, labels, result.log_p);
  result.z_bar = ops::cross_entropy_backward(result.log_p, labels);
  return result;
}

const Backend& backend_for(Convolution convolution, const at::TensorOptions& options, Precision precision,
                           bool single) {
  if (convolution == Convolution::kDirect) return reference::backend();
  if (cpu::supports(options)) return cpu::backend();
  if (convolution == Convolution::kAuto) {
    return cuda::supports(options) && single ? cuda::backend(precision) : reference::backend();
  }
  throw Error("INVALID_OPTION",
              "{convolution=winograd} is the native engine's on a CPU: use {engine=native} and {device=cpu}, or "
              "{convolution=auto}.");
}

}  // namespace l2t::backends
