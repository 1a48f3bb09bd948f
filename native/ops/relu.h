#pragma once
#include <ATen/core/Tensor.h>

/// ReLU, y = max(x, 0). Its derivative is a mask, the same in every sweep:
///
///   forward  y = [x > 0] x     backward  x̄ = [y > 0] ȳ     tangent  ẏ = [y > 0] ẋ     tangent_backward  x̄̇ = [y > 0] ȳ̇
namespace l2t::ops {

/// Works in place where the caller moves in the only reference to x.
at::Tensor relu(at::Tensor x);

/// `z` where y > 0, else 0: backward, tangent and tangent_backward. Works in place where the caller moves in the only
/// reference to z.
at::Tensor relu_mask(at::Tensor z, const at::Tensor& y);

}  // namespace l2t::ops
