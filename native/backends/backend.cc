#include "native/backends/backend.h"

#include <algorithm>

#include "native/backends/cpu/backend.h"
#include "native/backends/cuda/cuda.h"
#include "native/backends/reference/backend.h"
#include "native/core/error.h"
#include "native/ops/cross_entropy.h"

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

nets::Activations Backend::infer(const nets::Network& network, Tensors parameters, Tensors buffers,
                                 const at::Tensor& x) const {
  return nets::forward(network, parameters, buffers, x, nets::Statistics::kRunning);
}

CrossEntropy Backend::cross_entropy(const at::Tensor& z, const ops::Labels& labels) const {
  CrossEntropy result;
  result.loss = ops::cross_entropy(z, labels, result.log_p);
  result.z_bar = ops::cross_entropy_backward(result.log_p, labels);
  return result;
}

at::Tensor Backend::cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot,
                                                   const ops::Labels& labels) const {
  return ops::cross_entropy_tangent_backward(log_p, z_dot, labels);
}

ops::Importance Backend::importance(const at::Tensor& s, const ops::ImportanceNetworks& networks) const {
  return ops::importance(s, networks);
}

void Backend::importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const ops::Importance& importance,
                                  double scale, const ops::ImportanceNetworks& bar) const {
  ops::importance_backward(k_bar, s, importance, scale, bar);
}

const Backend& backend_for(Convolution convolution, const at::TensorOptions& options, Precision precision, bool alone) {
  if (convolution == Convolution::kDirect) return reference::backend();
  if (cpu::supports(options)) return cpu::backend();
  if (convolution == Convolution::kAuto) {
    return cuda::supports(options) && alone ? cuda::backend(precision) : reference::backend();
  }
  throw Error("INVALID_OPTION",
              "{convolution=winograd} is the native engine's on a CPU: use {engine=native} and {device=cpu}, or "
              "{convolution=auto}.");
}

}  // namespace l2t::backends
