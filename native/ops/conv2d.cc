#include "native/ops/conv2d.h"

#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/zeros_like.h>

namespace l2t::ops {
namespace {

/// A strided 1×1 convolution reads only every stride-th place, so it is computed as one of stride 1 on those places.
/// This is cheaper and avoids a bug: oneDNN 3.6's strided backward corrupts the heap for fewer than 16 input channels
/// (AVX-512, several threads, odd batches).
bool reads_few_places(const at::Tensor& w, Conv2dWindow window) {
  return window.stride > 1 && window.padding == 0 && window.groups == 1 && w.size(2) == 1 && w.size(3) == 1;
}

at::Tensor places_read(const at::Tensor& x, Conv2dWindow window) {
  return x.slice(2, 0, x.size(2), window.stride).slice(3, 0, x.size(3), window.stride);
}

constexpr Conv2dWindow kPlain{1, 0};

}  // namespace

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, Conv2dWindow window) {
  if (reads_few_places(w, window)) {
    return conv2d(places_read(x, window).contiguous(x.suggest_memory_format()), w, b, kPlain);
  }
  return at::convolution(x, w, b, {window.stride, window.stride}, {window.padding, window.padding}, {1, 1},
                         /*transposed=*/false, {0, 0}, window.groups);
}

Conv2dGradient conv2d_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& w, bool bias, bool input,
                               Conv2dWindow window) {
  if (reads_few_places(w, window)) {
    auto result =
        conv2d_backward(y_bar, places_read(x, window).contiguous(x.suggest_memory_format()), w, bias, input, kPlain);
    if (!input) return result;
    auto x_bar = at::zeros_like(x);
    places_read(x_bar, window).copy_(result.x_bar);
    result.x_bar = std::move(x_bar);
    return result;
  }
  auto [x_bar, w_bar, b_bar] = at::convolution_backward(
      y_bar, x, w, at::IntArrayRef{w.size(0)}, {window.stride, window.stride}, {window.padding, window.padding}, {1, 1},
      /*transposed=*/false, {0, 0}, window.groups, {input, true, bias});
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
