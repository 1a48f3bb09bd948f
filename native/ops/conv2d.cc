#include "native/ops/conv2d.h"

#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>

namespace l2t::ops {

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, Conv2dWindow window) {
  return at::convolution(x, w, b, {window.stride, window.stride}, {window.padding, window.padding}, {1, 1},
                         /*transposed=*/false, {0, 0}, /*groups=*/1);
}

Conv2dGradient conv2d_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& w, bool bias, bool input,
                               Conv2dWindow window) {
  auto [x_bar, w_bar, b_bar] = at::convolution_backward(
      y_bar, x, w, at::IntArrayRef{w.size(0)}, {window.stride, window.stride}, {window.padding, window.padding}, {1, 1},
      /*transposed=*/false, {0, 0}, /*groups=*/1, {input, true, bias});
  return {std::move(x_bar), std::move(w_bar), std::move(b_bar)};
}

at::Tensor conv2d_tangent(const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& w, const at::Tensor& w_dot,
                          const at::Tensor& b_dot, Conv2dWindow window) {
  auto y_dot = conv2d(x, w_dot, b_dot, window);
  if (x_dot.defined()) y_dot.add_(conv2d(x_dot, w, {}, window));
  return y_dot;
}

Conv2dGradient conv2d_tangent_backward(const at::Tensor& y_bar, const at::Tensor& y_bar_dot, const at::Tensor& x,
                                       const at::Tensor& x_dot, const at::Tensor& w, const at::Tensor& w_dot, bool bias,
                                       bool input, Conv2dWindow window) {
  auto result = conv2d_backward(y_bar_dot, x, w, bias, input, window);
  if (!x_dot.defined()) return result;
  const auto moved = conv2d_backward(y_bar, x_dot, w_dot, /*bias=*/false, input, window);
  result.w_bar.add_(moved.w_bar);
  if (input) result.x_bar.add_(moved.x_bar);
  return result;
}

}  // namespace l2t::ops
