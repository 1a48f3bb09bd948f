#include "native/backends/cpu/conv_unit.h"

#include <algorithm>
#include <cmath>
#include <memory>

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

/// Once their sums are known, batch norm's sweeps are affine maps, channel by channel. With s the inverse standard
/// deviation, n the places of a channel and g = z̄ where z > 0,
///
///   ȳ = γ s (g − Σg/n − x̂ Σ(g x̂)/n) ,   x̂̇ = s (ẏ − Σẏ/n − x̂ q) ,  q = Σ(ẏ x̂)/n
///
/// and ȳ̇ is ȳ's tangent, in which γ, s, g, the sums and x̂ all have tangents.
template <class T>
class ConvUnit final : public Unit {
 public:
  explicit ConvUnit(const ConvUnitSpec& spec) : spec_(spec) {}

  Values forward(Values x, Tensors theta, const Values* running) override {
    map_ = std::move(x[0]);
    theta_ = theta;
    out_ = theta[spec_.conv.weight].size(0);
    const auto& geometry = spec_.geometry;
    domain_ = std::make_unique<Domain<T>>(geometry, out_, map_.options().memory_format({}));
    n_ = static_cast<double>(spec_.whole.images * geometry.places());
    v_ = domain_->input(map_);
    u_ = domain_->weights(theta[spec_.conv.weight]);
    auto [y, sums] = domain_->output({{v_, u_}}, {});
    spec_.whole.reducer->sum(sums);
    y_ = std::move(y);
    Doubles variance(out_);
    mean_.resize(out_);
    invstd_.resize(out_);
    for (int64_t c = 0; c < out_; ++c) {
      mean_[c] = sums[0][c] / n_;
      const double centred = sums[1][c] / n_ - mean_[c] * mean_[c];
      variance[c] = centred < 0 ? 0 : centred;  // NaN stays
      invstd_[c] = 1 / std::sqrt(variance[c] + nets::kBatchNormEpsilon);
    }
    if (running != nullptr) move_running(*running, variance);

    scale_ = read<T>(theta[spec_.norm.scale]);
    const auto shift = read<T>(theta[spec_.norm.shift]);
    AffineOf<T> z(with_skip({y_}, x), out_);
    for (int64_t c = 0; c < out_; ++c) {
      const double slope = scale_[c] * invstd_[c];
      z.set(c, with_skip({slope}), shift[c] - slope * mean_[c]);
    }
    auto result = domain_->affine(z, spec_.end.relu ? Gate::kRelu : Gate::kNone, {}, spec_.end.pool);
    z_ = gate(z, result[0]);
    return result;
  }

  Values backward(Values z_bar, Tensors theta_bar) override {
    auto [g, sums] = domain_->gated_sums(std::move(z_bar), z_, y_, {}, {});
    spec_.whole.reducer->sum(sums);
    for (int64_t c = 0; c < out_; ++c) sums[1][c] = invstd_[c] * (sums[1][c] - mean_[c] * sums[0][c]);
    write_norm(theta_bar, sums[1], sums[0]);

    const auto y_bar = y_bar_in_domain(g, sums[0], sums[1]);
    Values bar{domain_->adjoint({{y_bar, &v_, spec_.input ? &u_ : nullptr}}, theta_bar[spec_.conv.weight]),
               spec_.end.add ? g : at::Tensor()};
    if (spec_.sweeps == Sweeps::kGradient) {
      drop();
    } else if (domain_->large()) {
      v_.reset();
      u_.reset();
    }
    if (keep()) {
      g_ = std::move(g);
      sum_g_ = std::move(sums[0]);
      sum_g_x_hat_ = std::move(sums[1]);
    }
    return bar;
  }

  Values tangent(Values x_dot, Tensors theta_dot) override {
    make_again();
    auto u_dot = domain_->weights(theta_dot[spec_.conv.weight]);
    auto v_dot = x_dot[0].defined() ? domain_->input(x_dot[0]) : Rows<T>();
    auto [y_dot, sums] =
        v_dot.defined() ? domain_->output({{v_, u_dot}, {v_dot, u_}}, y_) : domain_->output({{v_, u_dot}}, y_);
    if (domain_->large()) u_.reset();
    spec_.whole.reducer->sum(sums);
    for (int64_t c = 0; c < out_; ++c) sums[1][c] = invstd_[c] * (sums[1][c] - mean_[c] * sums[0][c]);

    auto scale_dot = read<T>(theta_dot[spec_.norm.scale]);
    const auto shift_dot = read<T>(theta_dot[spec_.norm.shift]);
    // ż = γ̇ x̂ + γ x̂̇ + β̇, plus the residual's tangent; with ReLU only where z > 0.
    AffineOf<T> z_dot(with_skip({y_dot, y_}, x_dot), out_);
    for (int64_t c = 0; c < out_; ++c) {
      const double s = invstd_[c];
      const double on_y_dot = scale_[c] * s;
      const double on_y = (scale_dot[c] - on_y_dot * sums[1][c] / n_) * s;
      z_dot.set(c, with_skip({on_y_dot, on_y}), shift_dot[c] - on_y_dot * sums[0][c] / n_ - on_y * mean_[c]);
    }
    auto result = domain_->affine(z_dot, spec_.end.relu ? Gate::kMask : Gate::kNone, z_, spec_.end.pool);
    if (!keep()) {
      drop();
    } else {
      u_dot_ = std::move(u_dot);
      v_dot_ = std::move(v_dot);
      y_dot_ = std::move(y_dot);
      scale_dot_ = std::move(scale_dot);
      sum_y_dot_ = std::move(sums[0]);
      sum_y_dot_x_hat_ = std::move(sums[1]);
    }
    return result;
  }

  Values tangent_backward(Values z_bar_dot, Tensors theta_bar_dot) override {
    auto [g_dot, sums] = domain_->gated_sums(std::move(z_bar_dot), z_, y_, g_, y_dot_);
    spec_.whole.reducer->sum(sums);
    Doubles scale_bar_dot(out_);
    AffineOf<T> y_bar_dot({g_dot, g_, y_dot_, y_}, out_);
    for (int64_t c = 0; c < out_; ++c) {
      const double s = invstd_[c];
      const double g_mean = sum_g_[c] / n_;
      const double g_x_hat_mean = sum_g_x_hat_[c] / n_;
      const double y_dot_mean = sum_y_dot_[c] / n_;
      const double q = sum_y_dot_x_hat_[c] / n_;
      const double g_dot_x_hat = s * (sums[1][c] - mean_[c] * sums[0][c]);
      // Σ g x̂̇
      const double g_x_hat_dot = s * (sums[2][c] - y_dot_mean * sum_g_[c] - q * sum_g_x_hat_[c]);
      scale_bar_dot[c] = g_dot_x_hat + g_x_hat_dot;

      const double scaled = scale_[c] * s;                         // γ s
      const double scaled_dot = s * (scale_dot_[c] - scaled * q);  // γ̇ s + γ ṡ, since ṡ = −s² q
      const double on_y_dot = -scaled * s * g_x_hat_mean;
      const double on_x_hat = -scaled * (g_dot_x_hat + g_x_hat_dot) / n_ - scaled_dot * g_x_hat_mean - on_y_dot * q;
      const double constant = -scaled * sums[0][c] / n_ - scaled_dot * g_mean - on_y_dot * y_dot_mean;
      y_bar_dot.set(c, {scaled, scaled_dot, on_y_dot, on_x_hat * s}, constant - on_x_hat * s * mean_[c]);
    }
    write_norm(theta_bar_dot, scale_bar_dot, sums[0]);

    make_again();
    const auto in_domain = domain_->output_adjoint(y_bar_dot);
    std::vector<typename Domain<T>::AdjointTerm> terms{{in_domain, &v_, spec_.input ? &u_ : nullptr}};
    // The unit that reads the images has neither V̇ nor x̄.
    Rows<T> y_bar;
    if (v_dot_.defined() || spec_.input) {
      y_bar = y_bar_in_domain(g_, sum_g_, sum_g_x_hat_);
      terms.push_back({y_bar, v_dot_.defined() ? &v_dot_ : nullptr, spec_.input ? &u_dot_ : nullptr});
    }
    Values bar_dot{domain_->adjoint(terms, theta_bar_dot[spec_.conv.weight]), at::Tensor()};
    if (spec_.end.add) bar_dot[1] = std::move(g_dot);
    drop();
    return bar_dot;
  }

 private:
  /// Checks whether tangent_backward will follow.
  [[nodiscard]] bool keep() const { return spec_.sweeps == Sweeps::kProduct; }

  /// Frees the maps after the last sweep.
  void drop() {
    for (auto* const map : {&map_, &y_, &g_, &y_dot_}) map->reset();
    z_ = {};
    v_.reset();
    u_.reset();
    v_dot_.reset();
    u_dot_.reset();
  }

  void make_again() {
    if (!v_.defined()) v_ = domain_->input(map_);
    if (!u_.defined()) u_ = domain_->weights(theta_[spec_.conv.weight]);
  }

  [[nodiscard]] std::vector<at::Tensor> with_skip(std::vector<at::Tensor> maps, const Values& inputs) const {
    if (spec_.end.add) maps.push_back(channels_last(inputs[1]));
    return maps;
  }

  [[nodiscard]] Doubles with_skip(Doubles slopes) const {
    if (spec_.end.add) slopes.push_back(1);
    return slopes;
  }

  /// Returns a map that is positive where ReLU passes: z before ReLU, made again from y, or with a residual z after it.
  [[nodiscard]] AffineOf<T> gate(const AffineOf<T>& before, const at::Tensor& after) const {
    if (!spec_.end.relu) return {};
    if (!spec_.end.add) return before;
    AffineOf<T> z({after}, out_);
    for (int64_t c = 0; c < out_; ++c) z.set(c, {1}, 0);
    return z;
  }

  /// Moves the running statistics as torch's batch norm does: the variance by its unbiased estimate. The convolution's
  /// bias shifts the running mean and nothing else, since batch norm subtracts it again.
  void move_running(const Values& running, const Doubles& variance) const {
    auto* const running_mean = running[spec_.norm.mean].data_ptr<T>();
    auto* const running_variance = running[spec_.norm.variance].data_ptr<T>();
    const auto* const bias = spec_.conv.bias < 0 ? nullptr : theta_[spec_.conv.bias].const_data_ptr<T>();
    const auto move = [&](T& to, double value) {
      to = static_cast<T>((1 - nets::kRunningMomentum) * to + nets::kRunningMomentum * value);
    };
    for (int64_t c = 0; c < out_; ++c) {
      move(running_mean[c], mean_[c] + (bias != nullptr ? bias[c] : 0));
      move(running_variance[c], variance[c] * n_ / (n_ - 1));
    }
  }

  /// Writes γ̄ and β̄, or their tangents. They are over all ranks already, so the first one alone adds them to the sum
  /// over ranks. A bias before batch norm has no gradient.
  void write_norm(Tensors theta_bar, const Doubles& scale_bar, const Doubles& shift_bar) const {
    const auto mine = [first = spec_.whole.reducer->first()](const Doubles& bar) {
      return first ? bar : Doubles(bar.size());
    };
    write<T>(theta_bar[spec_.norm.scale], mine(scale_bar));
    write<T>(theta_bar[spec_.norm.shift], mine(shift_bar));
    if (spec_.conv.bias >= 0) theta_bar[spec_.conv.bias].zero_();
  }

  /// Ȳ = A ȳ Aᵀ, with ȳ as above.
  [[nodiscard]] Rows<T> y_bar_in_domain(const at::Tensor& g, const Doubles& sum_g, const Doubles& sum_g_x_hat) const {
    AffineOf<T> y_bar({g, y_}, out_);
    for (int64_t c = 0; c < out_; ++c) {
      const double s = invstd_[c];
      const double on_g = scale_[c] * s;
      const double on_y = -on_g * s * sum_g_x_hat[c] / n_;
      y_bar.set(c, {on_g, on_y}, -on_g * sum_g[c] / n_ - on_y * mean_[c]);
    }
    return domain_->output_adjoint(y_bar);
  }

  ConvUnitSpec spec_;
  // Kept by forward. Where V and U are large, backward drops them, and later sweeps make them again.
  std::unique_ptr<Domain<T>> domain_;
  int64_t out_ = 0;  // C_out
  double n_ = 0;
  Tensors theta_;
  at::Tensor map_;  // x
  Rows<T> v_;
  Weights<T> u_;
  at::Tensor y_;
  AffineOf<T> z_;  // the gate
  Doubles scale_;
  Doubles mean_;
  Doubles invstd_;
  // Kept by backward: g = z̄ where z > 0, Σ g and Σ g x̂, from which tangent_backward makes Ȳ again.
  at::Tensor g_;
  Doubles sum_g_;
  Doubles sum_g_x_hat_;
  // Kept by tangent.
  Rows<T> v_dot_;
  Weights<T> u_dot_;
  at::Tensor y_dot_;
  Doubles scale_dot_;
  Doubles sum_y_dot_;
  Doubles sum_y_dot_x_hat_;
};

}  // namespace

std::unique_ptr<Unit> make_conv_unit(const ConvUnitSpec& spec, at::ScalarType type) {
  if (type == at::kFloat) return std::make_unique<ConvUnit<float>>(spec);
  return std::make_unique<ConvUnit<double>>(spec);
}

}  // namespace l2t::backends::cpu
