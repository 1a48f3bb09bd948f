#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/slice.h>
#include <ATen/ops/zeros_like.h>

/// A residual block's shortcut without weights (He et al. 2016, section 4.2, option A): B × C × H × W → B × C' × ⌈H/s⌉
/// × ⌈W/s⌉. It takes every s-th place of both sides; the new channels are zeros, some before the others and some after.
/// Linear, so with Z for it tangents are the same two sweeps:
///
///   forward  y = Z x     backward  x̄ = Zᵀ ȳ     tangent  ẏ = Z ẋ     tangent_backward  x̄̇ = Zᵀ ȳ̇
namespace l2t::ops {

/// The stride s, and the new channels.
struct ShortcutShape {
  int64_t stride;
  int64_t before;
  int64_t after;
};

/// A view of every s-th place.
inline at::Tensor every_nth(const at::Tensor& x, int64_t stride) {
  return at::slice(at::slice(x, 2, {}, {}, stride), 3, {}, {}, stride);
}

/// forward, of x; tangent, of ẋ. A new tensor.
inline at::Tensor padded_shortcut(const at::Tensor& x, const ShortcutShape& shape) {
  const auto padded = at::constant_pad_nd(every_nth(x, shape.stride), {0, 0, 0, 0, shape.before, shape.after});
  return padded.contiguous(x.suggest_memory_format());
}

/// backward, of ȳ; tangent_backward, of ȳ̇; x gives shape and memory format.
inline at::Tensor padded_shortcut_backward(const at::Tensor& y_bar, const at::Tensor& x, const ShortcutShape& shape) {
  auto x_bar = at::zeros_like(x);
  every_nth(x_bar, shape.stride).copy_(at::slice(y_bar, 1, shape.before, shape.before + x.size(1)));
  return x_bar;
}

}  // namespace l2t::ops
