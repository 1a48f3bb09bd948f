#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace l2t {

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;
};

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

/// Many named tensors in one flat vector, so that a step of an optimiser, or its adjoint, is one operation over it.
/// `views[i]` is the part of `flat` that holds tensor i, in its shape; copies share memory, as tensors do.
struct ParameterVector {
  std::vector<TensorSpec> specs;
  at::Tensor flat;
  std::vector<at::Tensor> views;
};

/// All values are zero.
ParameterVector make_parameters(std::vector<TensorSpec> specs, const at::TensorOptions& options);

/// The tensors of `specs` within `flat`: one differentiable split, no copy.
std::vector<at::Tensor> views_of(const at::Tensor& flat, const std::vector<TensorSpec>& specs);

/// Fills every tensor of `specs` from `source` by name, casting and moving as needed.
/// Throws WEIGHTS_MISMATCH where one is missing or has another shape; ignores entries of other names.
void copy_by_name(const std::vector<TensorSpec>& specs, const std::vector<at::Tensor>& destination,
                  const std::vector<NamedTensor>& source, const std::string& prefix = "");

}  // namespace l2t
