#include "native/ops/importance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>

namespace l2t::ops {
namespace {

void linear_backward(at::Tensor weight_bar, const at::Tensor& bias_bar, const at::Tensor& y_bar, const at::Tensor& s) {
  at::mm_out(weight_bar, y_bar.t(), s);
  bias_bar.copy_(y_bar.sum(0));
}

/// ReLU6's derivative: 1 strictly inside (0, 6), else 0.
at::Tensor inside(const at::Tensor& lambda) { return (lambda > 0) & (lambda < 6); }

}  // namespace

Importance importance(const at::Tensor& s, const ImportanceNetworks& networks) {
  const auto& [f_weight, f_bias, g_weight, g_bias] = networks;
  Importance result;
  if (f_weight.defined()) result.w = at::softmax(at::linear(s, f_weight, f_bias), 1);
  if (g_weight.defined()) result.lambda = at::hardtanh(at::linear(s, g_weight, g_bias).squeeze(1), 0, 6);
  return result;
}

void importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const Importance& importance, double scale,
                         const ImportanceNetworks& bar) {
  const auto& [w, lambda] = importance;
  const auto scaled = k_bar * scale;
  if (w.defined()) {
    const auto w_bar = lambda.defined() ? scaled * lambda.unsqueeze(1) : scaled;
    linear_backward(bar.f_weight, bar.f_bias, w * (w_bar - (w * w_bar).sum(1, /*keepdim=*/true)), s);
  }
  if (lambda.defined()) {
    const auto lambda_bar = (w.defined() ? scaled * w : scaled).sum(1) * inside(lambda);
    linear_backward(bar.g_weight, bar.g_bias, lambda_bar.unsqueeze(1), s);
  }
}

}  // namespace l2t::ops
