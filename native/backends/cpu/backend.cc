#include "native/backends/cpu/backend.h"

namespace l2t::backends::cpu {

const Backend& backend() {
  static const Cpu cpu;
  return cpu;
}

bool supports(const at::TensorOptions& options) {
  const auto type = c10::typeMetaToScalarType(options.dtype());
  return options.device().is_cpu() && (type == at::kFloat || type == at::kDouble);
}

}  // namespace l2t::backends::cpu
