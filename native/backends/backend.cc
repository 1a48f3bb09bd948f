#include "native/backends/backend.h"

#include <algorithm>

#include "native/backends/cpu/backend.h"
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

const Backend& backend_for(const std::string& convolution, const at::TensorOptions& options) {
  if (convolution == "direct") return reference::backend();
  if (convolution != "auto" && convolution != "winograd") {
    throw Error("INVALID_OPTION", "Unknown convolution '" + convolution + "': use auto, winograd, or direct.");
  }
  if (cpu::supports(options)) return cpu::backend();
  if (convolution == "auto") return reference::backend();
  throw Error("INVALID_OPTION",
              "--convolution winograd is the native engine's on a CPU: use --engine native and --device cpu, or "
              "--convolution auto.");
}

}  // namespace l2t::backends
