#include "native/backends/cuda/products.h"

namespace l2t::backends::cuda {

at::Tensor Products::in(const at::Tensor& value) const {
  return bf16_ && value.defined() ? value.to(at::kBFloat16) : value;
}

at::Tensor Products::out(const at::Tensor& value, const at::Tensor& like) {
  return value.defined() ? value.to(like.scalar_type()) : value;
}

at::Tensor Products::conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                            ops::Conv2dWindow window) const {
  return out(ops::conv2d(in(x), in(w), in(b), window), x).contiguous(at::MemoryFormat::ChannelsLast);
}

ops::Conv2dGradient Products::conv2d_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& w,
                                              bool bias, bool input, ops::Conv2dWindow window) const {
  const auto bar = ops::conv2d_backward(in(y_bar), in(x), in(w), bias, input, window);
  return {out(bar.x_bar, x), out(bar.w_bar, x), out(bar.b_bar, x)};
}

at::Tensor Products::linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) const {
  return out(ops::linear(in(x), in(w), in(b)), x);
}

ops::LinearGradient Products::linear_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& w) const {
  const auto bar = ops::linear_backward(in(y_bar), in(x), in(w));
  return {out(bar.x_bar, x), out(bar.w_bar, x), out(bar.b_bar, x)};
}

at::Tensor Products::linear_tangent(const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& w,
                                    const at::Tensor& w_dot, const at::Tensor& b_dot) const {
  return out(ops::linear_tangent(in(x), in(x_dot), in(w), in(w_dot), in(b_dot)), x);
}

ops::LinearGradient Products::linear_tangent_backward(const at::Tensor& y_bar, const at::Tensor& y_bar_dot,
                                                      const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& w,
                                                      const at::Tensor& w_dot) const {
  const auto bar = ops::linear_tangent_backward(in(y_bar), in(y_bar_dot), in(x), in(x_dot), in(w), in(w_dot));
  return {out(bar.x_bar, x), out(bar.w_bar, x), out(bar.b_bar, x)};
}

}  // namespace l2t::backends::cuda
