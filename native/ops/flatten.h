#pragma once
#include <ATen/core/Tensor.h>

/// flatten, B × C × H × W → B × CHW, channel by channel. Linear, so every sweep is a copy in another shape:
///
///   forward  y = flat x     backward  x̄ = unflat ȳ     tangent  ẏ = flat ẋ     tangent_backward  x̄̇ = unflat ȳ̇
namespace l2t::ops {

/// forward, of x; tangent, of ẋ. A new tensor, and no view: who reads it may overwrite it.
inline at::Tensor flatten(const at::Tensor& x) {
  // Not −1, which stands for no number where there are no images.
  return x.clone(at::MemoryFormat::Contiguous).view({x.size(0), x.size(1) * x.size(2) * x.size(3)});
}

/// backward, of ȳ; tangent_backward, of ȳ̇; x gives shape and memory format. A new tensor.
inline at::Tensor flatten_backward(const at::Tensor& y_bar, const at::Tensor& x) {
  return y_bar.contiguous().view(x.sizes()).clone(x.suggest_memory_format());
}

}  // namespace l2t::ops
