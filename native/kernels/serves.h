#pragma once
#include <ATen/core/Tensor.h>

namespace l2t::kernels {

/// Whether the kernels take such tensors: on the CPU, float or double. Others go through LibTorch's operations.
inline bool serves(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble);
}

}  // namespace l2t::kernels
