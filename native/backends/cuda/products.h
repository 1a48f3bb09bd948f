#pragma once
#include "native/ops/conv2d.h"
#include "native/ops/linear.h"

namespace l2t::backends::cuda {

/// Convolutions and linear layers by LibTorch (ops/conv2d.h, ops/linear.h). In bfloat16 their inputs are cast, and
/// their results cast back; all else stays as it is.
class Products {
 public:
  explicit Products(bool bf16) : bf16_(bf16) {}

  /// Channels last in memory.
  [[nodiscard]] at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                                  ops::Conv2dWindow window) const;
  [[nodiscard]] ops::Conv2dGradient conv2d_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& w,
                                                    bool bias, bool input, ops::Conv2dWindow window) const;

  [[nodiscard]] at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) const;
  [[nodiscard]] ops::LinearGradient linear_backward(const at::Tensor& y_bar, const at::Tensor& x,
                                                    const at::Tensor& w) const;
  [[nodiscard]] at::Tensor linear_tangent(const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& w,
                                          const at::Tensor& w_dot, const at::Tensor& b_dot) const;
  [[nodiscard]] ops::LinearGradient linear_tangent_backward(const at::Tensor& y_bar, const at::Tensor& y_bar_dot,
                                                            const at::Tensor& x, const at::Tensor& x_dot,
                                                            const at::Tensor& w, const at::Tensor& w_dot) const;

 private:
  /// As a product reads it.
  [[nodiscard]] at::Tensor in(const at::Tensor& value) const;
  /// A product's result, in the type of `like`.
  [[nodiscard]] static at::Tensor out(const at::Tensor& value, const at::Tensor& like);

  bool bf16_;
};

}  // namespace l2t::backends::cuda
