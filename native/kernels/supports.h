#pragma once
#include <ATen/core/Tensor.h>

namespace l2t::kernels {

/// Can the kernels compute with this tensor? They take float and double on the CPU; other tensors go through LibTorch's
/// operations.
inline bool supports(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble);
}

}  // namespace l2t::kernels
