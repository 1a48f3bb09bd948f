#include "native/ops/linear.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

namespace l2t::ops {

at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) { return at::addmm(b, x, w.t()); }

LinearGradient linear_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& w) {
  return {at::mm(y_bar, w), at::mm(y_bar.t(), x), y_bar.sum(0)};
}

at::Tensor linear_tangent(const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& w, const at::Tensor& w_dot,
                          const at::Tensor& b_dot) {
  return at::addmm(b_dot, x_dot, w.t()).addmm_(x, w_dot.t());
}

LinearGradient linear_tangent_backward(const at::Tensor& y_bar, const at::Tensor& y_bar_dot, const at::Tensor& x,
                                       const at::Tensor& x_dot, const at::Tensor& w, const at::Tensor& w_dot) {
  return {at::mm(y_bar_dot, w).addmm_(y_bar, w_dot), at::mm(y_bar_dot.t(), x).addmm_(y_bar.t(), x_dot),
          y_bar_dot.sum(0)};
}

}  // namespace l2t::ops
