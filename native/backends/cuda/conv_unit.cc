#include "native/backends/cuda/conv_unit.h"

namespace l2t::backends::cuda {
namespace {

class ConvUnit final : public Unit {
 public:
  ConvUnit(const FusedUnit& spec, Sweeps sweeps, const Products& products, std::shared_ptr<Gradients> gradients)
      : spec_(spec),
        window_{spec.conv.stride, spec.conv.padding, spec.conv.groups},
        sweeps_(sweeps),
        products_(products),
        gradients_(std::move(gradients)) {
    norm_.relu = spec.end.relu;
    norm_.pool = spec.end.pool;
  }

  Values forward(Values x, Tensors theta, const Values* running) override {
    x_ = std::move(x[0]);
    theta_ = theta;
    norm_.scale = theta[spec_.norm.scale];
    norm_.y = convolve(x_, theta);
    RunningStatistics statistics;
    if (running != nullptr) {
      statistics = {(*running)[spec_.norm.mean], (*running)[spec_.norm.variance], bias_of(theta)};
    }
    norm_forward(norm_, theta[spec_.norm.shift], skip_of(x), statistics);
    return outputs(norm_.z, norm_.pooled);
  }

  Values backward(Values z_bar, Tensors theta_bar) override {
    const bool keep = sweeps_ == Sweeps::kProduct || spec_.end.add;
    auto [g, y_bar, sums] =
        norm_backward(norm_, bars_of(z_bar), keep, theta_bar[spec_.norm.scale], theta_bar[spec_.norm.shift]);
    const auto bar =
        products_.conv2d_backward(y_bar, x_, theta_[spec_.conv.weight], /*bias=*/false, spec_.input, window_);
    write(theta_bar, bar.w_bar, {});
    Values x_bar = inputs(bar.x_bar, g);
    if (sweeps_ == Sweeps::kProduct) {
      g_ = std::move(g);
      g_sums_ = std::move(sums);
    }
    return x_bar;
  }

  Values tangent(Values x_dot, Tensors theta_dot) override {
    theta_dot_ = theta_dot;
    auto y_dot = convolve(x_, theta_dot);
    const auto y_dot_2 = x_dot[0].defined() ? convolve(x_dot[0], theta_) : at::Tensor();
    auto [z_dot, pooled_dot, sums] =
        norm_tangent(norm_, y_dot, y_dot_2, theta_dot[spec_.norm.scale], theta_dot[spec_.norm.shift], skip_of(x_dot));
    if (sweeps_ == Sweeps::kProduct) {
      x_dot_ = std::move(x_dot[0]);
      y_dot_ = std::move(y_dot);
      y_dot_sums_ = std::move(sums);
    }
    return outputs(z_dot, pooled_dot);
  }

  Values tangent_backward(Values z_bar_dot, Tensors theta_bar_dot) override {
    const auto [g_dot, y_bar_dot, y_bar] =
        norm_tangent_backward(norm_, bars_of(z_bar_dot), g_, g_sums_, y_dot_, y_dot_sums_, theta_dot_[spec_.norm.scale],
                              theta_bar_dot[spec_.norm.scale], theta_bar_dot[spec_.norm.shift]);
    const auto dot =
        products_.conv2d_backward(y_bar_dot, x_, theta_[spec_.conv.weight], /*bias=*/false, spec_.input, window_);
    ops::Conv2dGradient moved;
    if (x_dot_.defined()) {
      moved =
          products_.conv2d_backward(y_bar, x_dot_, theta_dot_[spec_.conv.weight], /*bias=*/false, spec_.input, window_);
    }
    if (moved.x_bar.defined()) dot.x_bar.add_(moved.x_bar);
    write(theta_bar_dot, dot.w_bar, moved.w_bar);
    for (auto* tensor : {&x_, &x_dot_, &g_, &y_dot_, &norm_.y, &norm_.z}) tensor->reset();
    return inputs(dot.x_bar, g_dot);
  }

 private:
  /// Convolves without the bias, which batch norm would subtract again.
  [[nodiscard]] at::Tensor convolve(const at::Tensor& x, Tensors theta) const {
    return products_.conv2d(x, theta[spec_.conv.weight], {}, window_);
  }

  [[nodiscard]] at::Tensor bias_of(Tensors theta) const {
    return spec_.conv.bias < 0 ? at::Tensor() : theta[spec_.conv.bias];
  }

  [[nodiscard]] at::Tensor skip_of(const Values& inputs) const {
    return spec_.end.add ? channels_last(inputs[1]) : at::Tensor();
  }

  [[nodiscard]] static OutputBars bars_of(const Values& bars) {
    return {channels_last(bars[0]), bars.size() > 1 ? channels_last(bars[1]) : at::Tensor()};
  }

  [[nodiscard]] Values outputs(at::Tensor map, at::Tensor pooled) const {
    if (!spec_.end.pool) return {std::move(map)};
    return {std::move(map), std::move(pooled)};
  }

  [[nodiscard]] Values inputs(at::Tensor x_bar, at::Tensor skip_bar) const {
    if (!spec_.end.add) return {std::move(x_bar)};
    return {std::move(x_bar), std::move(skip_bar)};
  }

  void write(Tensors theta_bar, const at::Tensor& w_bar, const at::Tensor& w_bar_2) const {
    gradients_->push_back({theta_bar[spec_.conv.weight], w_bar, w_bar_2});
    if (spec_.conv.bias >= 0) gradients_->push_back({theta_bar[spec_.conv.bias], {}, {}});
    if (spec_.input) return;
    write_gradients(*gradients_);
    gradients_->clear();
  }

  FusedUnit spec_;
  ops::Conv2dWindow window_;
  Sweeps sweeps_;
  const Products& products_;
  std::shared_ptr<Gradients> gradients_;
  Tensors theta_;
  Tensors theta_dot_;
  Norm norm_{};
  at::Tensor x_;
  // Kept by backward and tangent for tangent_backward.
  at::Tensor g_;
  NormSums g_sums_;
  at::Tensor x_dot_;
  at::Tensor y_dot_;
  NormSums y_dot_sums_;
};

}  // namespace

std::unique_ptr<Unit> make_conv_unit(const FusedUnit& spec, Sweeps sweeps, const Products& products,
                                     std::shared_ptr<Gradients> gradients) {
  return std::make_unique<ConvUnit>(spec, sweeps, products, std::move(gradients));
}

}  // namespace l2t::backends::cuda
