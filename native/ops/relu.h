#pragma once
#include <ATen/core/Tensor.h>

/// ReLU, y = max(x, 0), and ReLU6, y = min(max(x, 0), 6). The derivative is a mask m, the same in every sweep: [y > 0],
/// and [0 < y < 6], which is 0 at both ends as PyTorch has it.
///
///   forward  y     backward  x̄ = m ȳ     tangent  ẏ = m ẋ     tangent_backward  x̄̇ = m ȳ̇
///
/// Each function works in place where the caller moves in the only reference to its first argument.
namespace l2t::ops {

at::Tensor relu(at::Tensor x);

/// `z` where y > 0, else 0: backward, tangent and tangent_backward.
at::Tensor relu_mask(at::Tensor z, const at::Tensor& y);

at::Tensor relu6(at::Tensor x);

/// `z` where 0 < y < 6, else 0: backward, tangent and tangent_backward.
at::Tensor relu6_mask(at::Tensor z, const at::Tensor& y);

}  // namespace l2t::ops
