#pragma once
#include "native/ops/conv2d.h"
#include "native/ops/linear.h"

namespace l2t::backends {

/// Convolutions and linear layers by LibTorch (ops/conv2d.h, ops/linear.h). In bfloat16 their inputs are cast, and
/// their results cast back; all else stays as it is.
class Products {
 public:
  explicit Products(bool bf16) : bf16_(bf16) {}

  /// Returns y, channels last in memory.
  [[nodiscard]] at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                                  ops::Conv2dWindow window) const {
    return out(ops::conv2d(in(x), in(w), in(b), window), x).contiguous(at::MemoryFormat::ChannelsLast);
  }
  [[nodiscard]] ops::Conv2dGradient conv2d_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& w,
                                                    bool bias, bool input, ops::Conv2dWindow window) const {
    return out(ops::conv2d_backward(in(y_bar), in(x), in(w), bias, input, window), x);
  }

  [[nodiscard]] at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) const {
    return out(ops::linear(in(x), in(w), in(b)), x);
  }
  [[nodiscard]] ops::LinearGradient linear_backward(const at::Tensor& y_bar, const at::Tensor& x,
                                                    const at::Tensor& w) const {
    return out(ops::linear_backward(in(y_bar), in(x), in(w)), x);
  }
  [[nodiscard]] at::Tensor linear_tangent(const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& w,
                                          const at::Tensor& w_dot, const at::Tensor& b_dot) const {
    return out(ops::linear_tangent(in(x), in(x_dot), in(w), in(w_dot), in(b_dot)), x);
  }
  [[nodiscard]] ops::LinearGradient linear_tangent_backward(const at::Tensor& y_bar, const at::Tensor& y_bar_dot,
                                                            const at::Tensor& x, const at::Tensor& x_dot,
                                                            const at::Tensor& w, const at::Tensor& w_dot) const {
    return out(ops::linear_tangent_backward(in(y_bar), in(y_bar_dot), in(x), in(x_dot), in(w), in(w_dot)), x);
  }

 private:
  /// Casts an input to the type of the product.
  [[nodiscard]] at::Tensor in(const at::Tensor& value) const {
    return bf16_ && value.defined() ? value.to(at::kBFloat16) : value;
  }
  /// Casts a product's results to the type of `like`.
  static at::Tensor out(const at::Tensor& value, const at::Tensor& like) {
    return value.defined() ? value.to(like.scalar_type()) : value;
  }
  template <class Result>
  static Result out(const Result& bar, const at::Tensor& like) {
    return {out(bar.x_bar, like), out(bar.w_bar, like), out(bar.b_bar, like)};
  }

  bool bf16_;
};

}  // namespace l2t::backends
