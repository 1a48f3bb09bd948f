#include "native/ops/batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/var_mean.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <array>

namespace l2t::ops {
namespace {

constexpr double kUnused = 0;  // ε of a backward sweep that is given s

at::Tensor per_channel(const at::Tensor& values) { return values.view({1, -1, 1, 1}); }

/// N.
double places(const at::Tensor& x, const SharedBatch& whole) {
  return static_cast<double>(whole.images * x.size(2) * x.size(3));
}

/// Sums each of `sums` (C) over the ranks, in one exchange.
std::vector<at::Tensor> summed(const Reducer& reducer, const std::vector<at::Tensor>& sums) {
  if (reducer.single()) return sums;
  const auto all = at::stack(sums).to(at::kDouble);
  reducer.sum(all);
  return all.to(sums.front().scalar_type()).unbind();
}

BatchNormGradient native_backward(const at::Tensor& z, const at::Tensor& x, const at::Tensor& scale,
                                  const BatchStatistics& statistics, std::array<bool, 3> wanted) {
  auto [projected, sum_z_x_hat, sum_z] = at::native_batch_norm_backward(
      z, x, scale, {}, {}, statistics.mean, statistics.invstd, /*train=*/true, kUnused, wanted);
  return {std::move(projected), std::move(sum_z_x_hat), std::move(sum_z)};
}

/// Σ z u per channel over this rank's images: the same reduction with mean 0 and deviation 1, so the product is not
/// stored as a map.
at::Tensor sum_of_products(const at::Tensor& z, const at::Tensor& u, const BatchStatistics& like) {
  const BatchStatistics identity{at::zeros_like(like.mean), at::ones_like(like.invstd), like.whole};
  if (z.size(0) == 0) return identity.mean;
  return native_backward(z, u, identity.invstd, identity, {false, true, false}).scale_bar;
}

/// γ s P(z), Σ z x̂ and Σ z. `with`: a sum of this rank's that is exchanged with them.
BatchNormGradient project(const at::Tensor& z, const at::Tensor& x, const at::Tensor& scale,
                          const BatchStatistics& statistics, at::Tensor* with = nullptr) {
  const auto& [mean, s, whole] = statistics;
  if (whole.reducer->single()) return native_backward(z, x, scale, statistics, {true, true, true});
  const auto zero = at::zeros_like(mean);
  const auto own = x.size(0) == 0 ? BatchNormGradient{{}, zero, zero}
                                  : native_backward(z, x, scale, statistics, {false, true, true});
  const auto sums = summed(*whole.reducer, with == nullptr ? std::vector{own.scale_bar, own.shift_bar}
                                                           : std::vector{own.scale_bar, own.shift_bar, *with});
  if (with != nullptr) *with = sums[2];
  const double count = places(x, whole);
  const auto on_z = scale * s;
  const auto on_x = -on_z * s * sums[0] / count;
  auto projected = at::addcmul(per_channel(-on_z * sums[1] / count - on_x * mean), z, per_channel(on_z))
                       .addcmul_(x, per_channel(on_x));
  return {std::move(projected), sums[0], sums[1]};
}

/// batch_norm where ranks share the batch. Each gives its n, n m and n (v + m²), in float64.
at::Tensor shared_batch_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                             const at::Tensor& running_mean, const at::Tensor& running_var, double momentum,
                             double epsilon, BatchStatistics& statistics) {
  auto moments = at::zeros({2, x.size(1)}, x.options().dtype(at::kDouble).memory_format({}));
  if (x.size(0) > 0) {
    const auto [variance, mean] = at::var_mean(x, at::IntArrayRef{0, 2, 3}, /*correction=*/0);
    const auto m = mean.to(at::kDouble);
    const auto n = static_cast<double>(x.numel()) / static_cast<double>(x.size(1));
    moments = at::stack({m * n, (variance.to(at::kDouble) + m.square()) * n});
  }
  statistics.whole.reducer->sum(moments);
  const double count = places(x, statistics.whole);
  const auto mean = moments[0] / count;
  const auto variance = (moments[1] / count - mean.square()).clamp_min(0);
  if (running_mean.defined()) {
    running_mean.mul_(1 - momentum).add_(mean, momentum);
    running_var.mul_(1 - momentum).add_(variance * (count / (count - 1)), momentum);
  }
  const auto type = x.scalar_type();
  statistics.mean = mean.to(type);
  statistics.invstd = (variance + epsilon).rsqrt().to(type);
  const auto slope = scale * statistics.invstd;
  return at::addcmul(per_channel(shift - slope * statistics.mean), x, per_channel(slope));
}

}  // namespace

at::Tensor batch_norm(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                      const at::Tensor& running_mean, const at::Tensor& running_var, double momentum, double epsilon,
                      const SharedBatch& whole, BatchStatistics& statistics) {
  statistics.whole = whole;
  if (!whole.reducer->single())
    return shared_batch_norm(x, scale, shift, running_mean, running_var, momentum, epsilon, statistics);
  auto [y, mean, invstd] =
      at::native_batch_norm(x, scale, shift, running_mean, running_var, /*training=*/true, momentum, epsilon);
  statistics.mean = std::move(mean);
  statistics.invstd = std::move(invstd);
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
  const auto& mean = statistics.mean;
  const auto& s = statistics.invstd;
  const double count = places(x, statistics.whole);
  const auto x_dot_mean = tangent.sum_x_dot / count;
  const auto q = tangent.sum_x_dot_x_hat / count;  // mean(x̂ ẋ)
  const auto shift_bar_mean = bar.shift_bar / count;
  const auto scale_bar_mean = bar.scale_bar / count;
  auto sum_y_bar_x_dot = sum_of_products(y_bar, x_dot, statistics);
  auto [x_bar_dot, sum_y_bar_dot_x_hat, shift_bar_dot] = project(y_bar_dot, x, scale, statistics, &sum_y_bar_x_dot);
  // Σ ȳ x̂̇ with x̂̇ = s (ẋ − mean ẋ − x̂ q)
  const auto sum_y_bar_x_hat_dot = s * (sum_y_bar_x_dot - x_dot_mean * bar.shift_bar - q * bar.scale_bar);
  const auto scaled = scale * s;                         // γ s
  const auto scaled_dot = s * (scale_dot - scaled * q);  // γ̇ s + γ ṡ
  // x̄ = γ s (ȳ − mean ȳ − x̂ mean(x̂ ȳ)), in which x has the factor that ẋ has in x̄̇.
  const auto on_x_dot = -scaled * s * scale_bar_mean;
  bar.x_bar = at::addcmul(per_channel(-scaled * shift_bar_mean - on_x_dot * mean), y_bar, per_channel(scaled))
                  .addcmul_(x, per_channel(on_x_dot));
  // The rest of x̄̇ is  scaled_dot ȳ + on_x_dot ẋ + on_x_hat x̂ + constant.
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
