#include "native/backends/backend.h"

#include <algorithm>

#include "native/backends/cpu/backend.h"
#include "native/backends/cuda/backend.h"
#include "native/backends/reference/backend.h"
#include "native/core/error.h"

namespace l2t::backends {
namespace {

/// The registry: each returns its backend, or null where that does not support the arithmetic.
constexpr std::array kBackends{
    &cpu::backend_for,
    &cuda::backend_for,
    &reference::backend_for,
};

void require_precision(const Arithmetic& arithmetic) {
  const auto device = arithmetic.options.device();
  if (backend_for({arithmetic.options}).multiplies_in(arithmetic.precision, device)) return;
  const auto precision = std::string("{precision=") + name_of(arithmetic.precision) + "}";
  if (device.is_cuda()) {
    throw Error("INVALID_OPTION", precision +
                                      " needs a GPU of compute capability 8.0 or newer (Ampere): this one "
                                      "computes in float32 alone, so leave it out.");
  }
  throw Error("INVALID_OPTION",
              precision + " is the CUDA backend's: it needs a build with the CUDA part (l2t-native doctor).");
}

}  // namespace

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

const Backend& backend_for(const Arithmetic& arithmetic) {
  if (arithmetic.precision != Precision::kFloat32) require_precision(arithmetic);
  for (const auto choose : kBackends) {
    if (const auto* const backend = choose(arithmetic)) return *backend;
  }
  throw Error("INVALID_OPTION", std::string("{convolution=") + name_of(arithmetic.convolution) +
                                    "} has no backend on " + arithmetic.options.device().str() + ".");
}

}  // namespace l2t::backends
