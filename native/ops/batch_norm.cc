#include "native/ops/batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros_like.h>

#include <array>

namespace l2t::ops {
namespace {

constexpr double kUnused = 0;  // ε of a backward sweep that is given s

at::Tensor per_channel(const at::Tensor& values) { return values.view({1, -1, 1, 1}); }

/// γ s P(z), Σ z x̂ and Σ z.
BatchNormGradient project(const at::Tensor& z, const at::Tensor& x, const at::Tensor& scale,
                          const BatchStatistics& statistics, std::array<bool, 3> wanted = {true, true, true}) {
  auto [projected, sum_z_x_hat, sum_z] = at::native_batch_norm_backward(
      z, x, scale, {}, {}, statistics.mean, statistics.invstd, /*train=*/true, kUnused, wanted);
  return {std::move(projected), std::move(sum_z_x_hat), std::move(sum_z)};
}

/// Σ z u per channel: the same reduction with mean 0 and deviation 1, so the product is not stored as a map.
at::Tensor sum_of_products(const at::Tensor& z, const at::Tensor& u, const BatchStatistics& like) {
  const BatchStatistics identity{at::zeros_like(like.mean), at::ones_like(like.invstd)};
  return project(z, u, identity.invstd, identity, {false, true, false}).scale_bar;
}

}  // namespace

at::Tensor batch_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                      const at::Tensor& running_mean, const at::Tensor& running_var, double momentum, double epsilon,
                      BatchStatistics& statistics) {
  auto [y, mean, invstd] =
      at::native_batch_norm(x, scale, shift, running_mean, running_var, /*training=*/true, momentum, epsilon);
  statistics = {std::move(mean), std::move(invstd)};
  return y;
}

BatchNormGradient batch_norm_backward(const at::Tensor& y_bar, const at::Tensor& x, const at::Tensor& scale,
                                      const BatchStatistics& statistics) {
  return project(y_bar, x, scale, statistics);
}

BatchNormTangent batch_norm_tangent(const at::Tensor& x, const at::Tensor& x_dot, const at::Tensor& scale,
                                    const at::Tensor& scale_dot, const at::Tensor& shift_dot,
                                    const BatchStatistics& statistics) {
  auto [y_dot, sum_x_dot_x_hat, sum_x_dot] = project(x_dot, x, scale, statistics);
  // γ̇ x̂ + β̇ as an affine function of x.
  const auto slope = scale_dot * statistics.invstd;
  y_dot.addcmul_(x, per_channel(slope)).add_(per_channel(shift_dot - slope * statistics.mean));
  return {std::move(y_dot), std::move(sum_x_dot_x_hat), std::move(sum_x_dot)};
}

BatchNormGradient batch_norm_tangent_backward(const at::Tensor& y_bar, const at::Tensor& y_bar_dot, const at::Tensor& x,
                                              const at::Tensor& x_dot, const at::Tensor& scale,
                                              const at::Tensor& scale_dot, const BatchStatistics& statistics,
                                              const BatchNormTangent& tangent, BatchNormGradient& bar) {
  const auto& [mean, s] = statistics;
  const auto count = static_cast<double>(x.numel()) / static_cast<double>(x.size(1));
  const auto x_dot_mean = tangent.sum_x_dot / count;
  const auto q = tangent.sum_x_dot_x_hat / count;  // mean(x̂ ẋ)
  const auto shift_bar_mean = bar.shift_bar / count;
  const auto scale_bar_mean = bar.scale_bar / count;
  // Σ ȳ x̂̇ with x̂̇ = s (ẋ − mean ẋ − x̂ q)
  const auto sum_y_bar_x_hat_dot =
      s * (sum_of_products(y_bar, x_dot, statistics) - x_dot_mean * bar.shift_bar - q * bar.scale_bar);

  auto [x_bar_dot, sum_y_bar_dot_x_hat, shift_bar_dot] = project(y_bar_dot, x, scale, statistics);
  const auto scaled = scale * s;                         // γ s
  const auto scaled_dot = s * (scale_dot - scaled * q);  // γ̇ s + γ ṡ
  // x̄ = γ s (ȳ − mean ȳ − x̂ mean(x̂ ȳ))
  const auto on_x_again = -scaled * s * scale_bar_mean;
  bar.x_bar = at::addcmul(per_channel(-scaled * shift_bar_mean - on_x_again * mean), y_bar, per_channel(scaled))
                  .addcmul_(x, per_channel(on_x_again));
  // The rest of x̄̇ is  scaled_dot ȳ + on_x_dot ẋ + on_x_hat x̂ + constant.
  const auto on_x_dot = -scaled * s * scale_bar_mean;
  const auto on_x_hat = -scaled_dot * scale_bar_mean - on_x_dot * q - scaled * sum_y_bar_x_hat_dot / count;
  const auto constant = -scaled_dot * shift_bar_mean - on_x_dot * x_dot_mean;
  const auto on_x = on_x_hat * s;
  x_bar_dot.addcmul_(y_bar, per_channel(scaled_dot))
      .addcmul_(x_dot, per_channel(on_x_dot))
      .addcmul_(x, per_channel(on_x))
      .add_(per_channel(constant - on_x * mean));
  return {std::move(x_bar_dot), sum_y_bar_dot_x_hat + sum_y_bar_x_hat_dot, std::move(shift_bar_dot)};
}

}  // namespace l2t::ops
