#pragma once
#include <ATen/core/Tensor.h>

/// ReLU6, y = min(max(x, 0), 6). Its derivative is a mask, the same in every sweep, and 0 at both ends as PyTorch has
/// it:
///
///   forward            y = min(max(x, 0), 6)      backward           x̄ = [0 < y < 6] ȳ
///   tangent            ẏ = [0 < y < 6] ẋ          tangent_backward   x̄̇ = [0 < y < 6] ȳ̇
namespace l2t::ops {

/// Works in place where the caller moves in the only reference to x.
at::Tensor relu6(at::Tensor x);

/// `z` where 0 < y < 6, else 0: backward, tangent and tangent_backward. Works in place where the caller moves in the
/// only reference to z.
at::Tensor relu6_mask(at::Tensor z, const at::Tensor& y);

}  // namespace l2t::ops
