#include "native/backends/cpu/conv_unit.h"

#include <algorithm>
#include <cmath>

#include "native/backends/cpu/domain.h"

namespace l2t::backends::cpu {
namespace {

template <class T>
Doubles read(const at::Tensor& values) {
  const auto* data = values.const_data_ptr<T>();
  return {data, data + values.numel()};
}

template <class T>
void write(const at::Tensor& to, const Doubles& values) {
  std::transform(values.begin(), values.end(), to.data_ptr<T>(), [](double value) { return static_cast<T>(value); });
}

/// Moves the running statistics as torch's batch norm does: the variance by its unbiased estimate.
template <class T>
void move_running(const UnitStatistics& running, const Doubles& mean, const Doubles& variance, double places) {
  auto* const running_mean = running.mean.data_ptr<T>();
  auto* const running_variance = running.variance.data_ptr<T>();
  const auto* const bias = running.bias.defined() ? running.bias.const_data_ptr<T>() : nullptr;
  const auto move = [&](T& to, double value) {
    to = static_cast<T>((1 - running.momentum) * to + running.momentum * value);
  };
  for (size_t c = 0; c < mean.size(); ++c) {
    move(running_mean[c], mean[c] + (bias != nullptr ? bias[c] : 0));
    move(running_variance[c], variance[c] * places / (places - 1));
  }
}

}  // namespace

/// The unit's sweeps in one type. Once their sums are known, batch norm's sweeps are affine maps, channel by channel.
/// With s the inverse standard deviation, n the places of a channel and g = z̄ where z > 0,
///
///   ȳ = γ s (g − Σg/n − x̂ Σ(g x̂)/n) ,   x̂̇ = s (ẏ − Σẏ/n − x̂ q) ,  q = Σ(ẏ x̂)/n
///
/// and ȳ̇ is ȳ's tangent, in which γ, s, g, the sums and x̂ all have tangents.
template <class T>
struct ConvUnit::Sweeps {
  ConvUnit& unit;
  Domain<T> domain;
  double n;

  explicit Sweeps(ConvUnit& unit, const at::TensorOptions& options)
      : unit(unit), domain(unit.x_, unit.out_, options), n(static_cast<double>(unit.x_.images * unit.x_.places())) {}

  [[nodiscard]] std::vector<at::Tensor> with_skip(std::vector<at::Tensor> maps, const at::Tensor& skip) const {
    if (unit.then_.add) maps.push_back(channels_last(skip));
    return maps;
  }

  [[nodiscard]] Doubles with_skip(Doubles slopes) const {
    if (unit.then_.add) slopes.push_back(1);
    return slopes;
  }

  [[nodiscard]] const at::Tensor& mask() const {
    static const at::Tensor kNone;
    return unit.then_.relu ? unit.z_ : kNone;
  }

  MapAndPool forward(const UnitInput& input, const UnitParameters& parameters, double epsilon,
                     const UnitStatistics* statistics) const {
    unit.map_ = input.x;
    unit.v_ = domain.input(unit.map_);
    unit.weight_ = parameters.weight;
    unit.u_ = domain.weights(unit.weight_);
    auto [y, sums] = domain.output({{unit.v_, unit.u_}}, {});
    unit.y_ = std::move(y);
    const auto channels = unit.out_;
    Doubles variance(channels);
    unit.mean_.resize(channels);
    unit.invstd_.resize(channels);
    for (int64_t c = 0; c < channels; ++c) {
      unit.mean_[c] = sums[0][c] / n;
      const double centred = sums[1][c] / n - unit.mean_[c] * unit.mean_[c];
      variance[c] = centred < 0 ? 0 : centred;  // NaN stays
      unit.invstd_[c] = 1 / std::sqrt(variance[c] + epsilon);
    }
    if (statistics != nullptr) move_running<T>(*statistics, unit.mean_, variance, n);

    unit.scale_ = read<T>(parameters.scale);
    const auto shift = read<T>(parameters.shift);
    AffineOf<T> z(with_skip({unit.y_}, input.skip), channels);
    for (int64_t c = 0; c < channels; ++c) {
      const double slope = unit.scale_[c] * unit.invstd_[c];
      z.set(c, with_skip({slope}), shift[c] - slope * unit.mean_[c]);
    }
    auto result = domain.affine(z, unit.then_.relu ? Gate::kRelu : Gate::kNone, {}, unit.then_.pool);
    unit.z_ = result.map;
    return result;
  }

  /// Ȳ = A ȳ Aᵀ, with ȳ as above.
  [[nodiscard]] at::Tensor y_bar_in_domain(const at::Tensor& g, const Doubles& sum_g,
                                           const Doubles& sum_g_x_hat) const {
    AffineOf<T> y_bar({g, unit.y_}, unit.out_);
    for (int64_t c = 0; c < unit.out_; ++c) {
      const double s = unit.invstd_[c];
      const double on_g = unit.scale_[c] * s;
      const double on_y = -on_g * s * sum_g_x_hat[c] / n;
      y_bar.set(c, {on_g, on_y}, -on_g * sum_g[c] / n - on_y * unit.mean_[c]);
    }
    return domain.output_adjoint(y_bar);
  }

  UnitInput backward(MapAndPool z_bar, const UnitParameters& gradient, bool x, bool keep) const {
    auto [g, sums] = domain.gated_sums(std::move(z_bar), mask(), unit.y_, {}, {});
    for (int64_t c = 0; c < unit.out_; ++c) sums[1][c] = unit.invstd_[c] * (sums[1][c] - unit.mean_[c] * sums[0][c]);
    write<T>(gradient.shift, sums[0]);
    write<T>(gradient.scale, sums[1]);

    const auto in_domain = y_bar_in_domain(g, sums[0], sums[1]);
    domain.weights_adjoint({{in_domain, unit.v_}}, gradient.weight);
    UnitInput bar{x ? domain.input_adjoint({{in_domain, unit.u_}}) : at::Tensor(), unit.then_.add ? g : at::Tensor()};
    unit.u_.reset();
    unit.v_.reset();
    if (keep) {
      unit.g_ = std::move(g);
      unit.sum_g_ = std::move(sums[0]);
      unit.sum_g_x_hat_ = std::move(sums[1]);
    }
    return bar;
  }

  MapAndPool tangent(const UnitInput& input_dot, const UnitParameters& parameters_dot, bool keep) const {
    unit.v_ = domain.input(unit.map_);
    const auto u = domain.weights(unit.weight_);
    auto u_dot = domain.weights(parameters_dot.weight);
    auto v_dot = input_dot.x.defined() ? domain.input(input_dot.x) : at::Tensor();
    auto [y_dot, sums] = v_dot.defined() ? domain.output({{unit.v_, u_dot}, {v_dot, u}}, unit.y_)
                                         : domain.output({{unit.v_, u_dot}}, unit.y_);
    for (int64_t c = 0; c < unit.out_; ++c) sums[1][c] = unit.invstd_[c] * (sums[1][c] - unit.mean_[c] * sums[0][c]);

    auto scale_dot = read<T>(parameters_dot.scale);
    const auto shift_dot = read<T>(parameters_dot.shift);
    // ż = γ̇ x̂ + γ x̂̇ + β̇, plus the residual's tangent; with ReLU only where z > 0.
    AffineOf<T> z_dot(with_skip({y_dot, unit.y_}, input_dot.skip), unit.out_);
    for (int64_t c = 0; c < unit.out_; ++c) {
      const double s = unit.invstd_[c];
      const double on_y_dot = unit.scale_[c] * s;
      const double on_y = (scale_dot[c] - on_y_dot * sums[1][c] / n) * s;
      z_dot.set(c, with_skip({on_y_dot, on_y}), shift_dot[c] - on_y_dot * sums[0][c] / n - on_y * unit.mean_[c]);
    }
    auto result = domain.affine(z_dot, unit.then_.relu ? Gate::kMask : Gate::kNone, mask(), unit.then_.pool);
    if (!keep) {
      unit.v_.reset();
    } else {
      unit.u_dot_ = std::move(u_dot);
      unit.v_dot_ = std::move(v_dot);
      unit.y_dot_ = std::move(y_dot);
      unit.scale_dot_ = std::move(scale_dot);
      unit.sum_y_dot_ = std::move(sums[0]);
      unit.sum_y_dot_x_hat_ = std::move(sums[1]);
    }
    return result;
  }

  UnitInput tangent_backward(MapAndPool z_bar_dot, const UnitParameters& gradient_dot, bool x) const {
    auto [g_dot, sums] = domain.gated_sums(std::move(z_bar_dot), mask(), unit.y_, unit.g_, unit.y_dot_);
    Doubles scale_bar_dot(unit.out_);
    AffineOf<T> y_bar_dot({g_dot, unit.g_, unit.y_dot_, unit.y_}, unit.out_);
    for (int64_t c = 0; c < unit.out_; ++c) {
      const double s = unit.invstd_[c];
      const double g_mean = unit.sum_g_[c] / n;
      const double g_x_hat_mean = unit.sum_g_x_hat_[c] / n;
      const double y_dot_mean = unit.sum_y_dot_[c] / n;
      const double q = unit.sum_y_dot_x_hat_[c] / n;
      const double g_dot_x_hat = s * (sums[1][c] - unit.mean_[c] * sums[0][c]);
      // Σ g x̂̇
      const double g_x_hat_dot = s * (sums[2][c] - y_dot_mean * unit.sum_g_[c] - q * unit.sum_g_x_hat_[c]);
      scale_bar_dot[c] = g_dot_x_hat + g_x_hat_dot;

      const double scaled = unit.scale_[c] * s;                         // γ s
      const double scaled_dot = s * (unit.scale_dot_[c] - scaled * q);  // γ̇ s + γ ṡ, since ṡ = −s² q
      const double on_y_dot = -scaled * s * g_x_hat_mean;
      const double on_x_hat = -scaled * (g_dot_x_hat + g_x_hat_dot) / n - scaled_dot * g_x_hat_mean - on_y_dot * q;
      const double constant = -scaled * sums[0][c] / n - scaled_dot * g_mean - on_y_dot * y_dot_mean;
      y_bar_dot.set(c, {scaled, scaled_dot, on_y_dot, on_x_hat * s}, constant - on_x_hat * s * unit.mean_[c]);
    }
    write<T>(gradient_dot.shift, sums[0]);
    write<T>(gradient_dot.scale, scale_bar_dot);

    const auto in_domain = domain.output_adjoint(y_bar_dot);
    const auto y_bar = y_bar_in_domain(unit.g_, unit.sum_g_, unit.sum_g_x_hat_);
    if (unit.v_dot_.defined()) {
      domain.weights_adjoint({{in_domain, unit.v_}, {y_bar, unit.v_dot_}}, gradient_dot.weight);
    } else {
      domain.weights_adjoint({{in_domain, unit.v_}}, gradient_dot.weight);
    }
    UnitInput bar_dot;
    if (x) bar_dot.x = domain.input_adjoint({{in_domain, domain.weights(unit.weight_)}, {y_bar, unit.u_dot_}});
    if (unit.then_.add) bar_dot.skip = std::move(g_dot);
    for (auto* tensor : {&unit.v_, &unit.v_dot_, &unit.u_dot_, &unit.y_dot_, &unit.g_}) tensor->reset();
    return bar_dot;
  }
};

MapAndPool ConvUnit::forward(const UnitInput& input, const UnitParameters& parameters, double epsilon,
                             const UnitStatistics* statistics) {
  const auto& x = input.x;
  x_ = {form_, x.size(0), x.size(2), x.size(1)};
  out_ = parameters.weight.size(0);
  const auto options = x.options().memory_format({});
  return x.scalar_type() == at::kFloat ? Sweeps<float>(*this, options).forward(input, parameters, epsilon, statistics)
                                       : Sweeps<double>(*this, options).forward(input, parameters, epsilon, statistics);
}

UnitInput ConvUnit::backward(MapAndPool z_bar, const UnitParameters& gradient, bool x, bool keep) {
  const auto options = y_.options();
  return y_.scalar_type() == at::kFloat ? Sweeps<float>(*this, options).backward(std::move(z_bar), gradient, x, keep)
                                        : Sweeps<double>(*this, options).backward(std::move(z_bar), gradient, x, keep);
}

MapAndPool ConvUnit::tangent(const UnitInput& input_dot, const UnitParameters& parameters_dot, bool keep) {
  const auto options = y_.options();
  return y_.scalar_type() == at::kFloat ? Sweeps<float>(*this, options).tangent(input_dot, parameters_dot, keep)
                                        : Sweeps<double>(*this, options).tangent(input_dot, parameters_dot, keep);
}

UnitInput ConvUnit::tangent_backward(MapAndPool z_bar_dot, const UnitParameters& gradient_dot, bool x) {
  const auto options = y_.options();
  return y_.scalar_type() == at::kFloat
             ? Sweeps<float>(*this, options).tangent_backward(std::move(z_bar_dot), gradient_dot, x)
             : Sweeps<double>(*this, options).tangent_backward(std::move(z_bar_dot), gradient_dot, x);
}

}  // namespace l2t::backends::cpu
