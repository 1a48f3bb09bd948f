#include <functional>
#include <utility>

#include "native/backends/reference/backend.h"
#include "native/core/error.h"
#include "native/ops/add.h"
#include "native/ops/avg_pool.h"
#include "native/ops/batch_norm.h"
#include "native/ops/conv2d.h"
#include "native/ops/flatten.h"
#include "native/ops/max_pool.h"
#include "native/ops/padded_shortcut.h"
#include "native/ops/relu.h"

/// A unit for each kind of operation: it calls native/ops with the tensors that the network's indices name.
namespace l2t::backends::reference {
namespace {

at::Tensor at_index(Tensors tensors, int index) { return index < 0 ? at::Tensor() : tensors[index]; }

/// Batch norm after a convolution is one unit with it: batch norm's x̄, which the convolution's last sweep reads, is
/// cheap and large, so it is computed again there and not kept.
class Convolution final : public Unit {
 public:
  Convolution(const nets::Conv2d& conv, const nets::BatchNorm& norm, bool input, Sweeps sweeps,
              const SharedBatch& whole)
      : conv_(conv),
        norm_(norm),
        window_{conv.stride, conv.padding, conv.groups},
        input_(input),
        sweeps_(sweeps),
        whole_(whole) {}

  Values forward(Values x, Tensors theta, const Values* running) override {
    x_ = std::move(x[0]);
    theta_ = theta;
    y_ = ops::conv2d(x_, theta[conv_.weight], at_index(theta, conv_.bias), window_);
    return {ops::batch_norm(y_, theta[norm_.scale], theta[norm_.shift], running ? (*running)[norm_.mean] : at::Tensor(),
                            running ? (*running)[norm_.variance] : at::Tensor(), nets::kRunningMomentum,
                            nets::kBatchNormEpsilon, whole_, statistics_)};
  }

  Values backward(Values z_bar, Tensors theta_bar) override {
    norm_bar_ = ops::batch_norm_backward(z_bar[0], y_, theta_[norm_.scale], statistics_);
    write(norm_bar_, theta_bar);
    const auto y_bar = std::exchange(norm_bar_.x_bar, at::Tensor());
    if (sweeps_ == Sweeps::kProduct) z_bar_ = std::move(z_bar[0]);
    const auto bar = ops::conv2d_backward(y_bar, x_, theta_[conv_.weight], conv_.bias >= 0, input_, window_);
    write(bar, theta_bar);
    return {bar.x_bar};
  }

  Values tangent(Values x_dot, Tensors theta_dot) override {
    theta_dot_ = theta_dot;
    auto y_dot = ops::conv2d_tangent(x_, x_dot[0], theta_[conv_.weight], theta_dot[conv_.weight],
                                     at_index(theta_dot, conv_.bias), window_);
    norm_tangent_ = ops::batch_norm_tangent(y_, y_dot, theta_[norm_.scale], theta_dot[norm_.scale],
                                            theta_dot[norm_.shift], statistics_);
    if (sweeps_ == Sweeps::kProduct) {
      x_dot_ = std::move(x_dot[0]);
      y_dot_ = std::move(y_dot);
    }
    return {std::exchange(norm_tangent_.y_dot, at::Tensor())};
  }

  Values tangent_backward(Values z_bar_dot, Tensors theta_bar_dot) override {
    const auto norm_dot =
        ops::batch_norm_tangent_backward(z_bar_, z_bar_dot[0], y_, y_dot_, theta_[norm_.scale], theta_dot_[norm_.scale],
                                         statistics_, norm_tangent_, norm_bar_);
    write(norm_dot, theta_bar_dot);
    const auto dot = ops::conv2d_tangent_backward(norm_bar_.x_bar, norm_dot.x_bar, x_, x_dot_, theta_[conv_.weight],
                                                  theta_dot_[conv_.weight], conv_.bias >= 0, input_, window_);
    write(dot, theta_bar_dot);
    for (auto* tensor : {&x_, &y_, &z_bar_, &x_dot_, &y_dot_, &norm_bar_.x_bar}) tensor->reset();
    return {dot.x_bar};
  }

 private:
  /// Batch norm's sums are over all ranks already, so the first one alone adds them to the sum over ranks.
  void write(const ops::BatchNormGradient& bar, Tensors theta_bar) const {
    if (whole_.reducer->first()) {
      theta_bar[norm_.scale].copy_(bar.scale_bar);
      theta_bar[norm_.shift].copy_(bar.shift_bar);
    } else {
      theta_bar[norm_.scale].zero_();
      theta_bar[norm_.shift].zero_();
    }
  }

  void write(const ops::Conv2dGradient& bar, Tensors theta_bar) const {
    theta_bar[conv_.weight].copy_(bar.w_bar);
    if (conv_.bias >= 0) theta_bar[conv_.bias].copy_(bar.b_bar);
  }

  nets::Conv2d conv_;
  nets::BatchNorm norm_;
  ops::Conv2dWindow window_;
  bool input_;  // x̄ is wanted
  Sweeps sweeps_;
  SharedBatch whole_;
  Tensors theta_;
  Tensors theta_dot_;
  at::Tensor x_;
  at::Tensor y_;
  at::Tensor z_bar_;
  at::Tensor x_dot_;
  at::Tensor y_dot_;
  ops::BatchStatistics statistics_;
  ops::BatchNormGradient norm_bar_;     // its sums
  ops::BatchNormTangent norm_tangent_;  // its sums
};

/// ReLU and its kind: y = f(x), and a mask that y gives in every other sweep.
template <at::Tensor (*kValue)(at::Tensor), at::Tensor (*kMask)(at::Tensor, const at::Tensor&)>
class Masked final : public Unit {
 public:
  Values forward(Values x, Tensors /*theta*/, const Values* /*running*/) override {
    y_ = kValue(std::move(x[0]));
    return {y_};
  }
  Values backward(Values y_bar, Tensors /*theta_bar*/) override { return {kMask(std::move(y_bar[0]), y_)}; }
  Values tangent(Values x_dot, Tensors /*theta_dot*/) override { return {kMask(std::move(x_dot[0]), y_)}; }
  Values tangent_backward(Values y_bar_dot, Tensors /*theta_bar_dot*/) override {
    return {kMask(std::move(y_bar_dot[0]), y_)};
  }

 private:
  at::Tensor y_;
};
using Relu = Masked<ops::relu, ops::relu_mask>;
using Relu6 = Masked<ops::relu6, ops::relu6_mask>;

class Add final : public Unit {
 public:
  Values forward(Values x, Tensors /*theta*/, const Values* /*running*/) override { return {ops::add(x[0], x[1])}; }
  Values backward(Values y_bar, Tensors /*theta_bar*/) override { return {y_bar[0], y_bar[0]}; }
  Values tangent(Values x_dot, Tensors /*theta_dot*/) override { return {ops::add(x_dot[0], x_dot[1])}; }
  Values tangent_backward(Values y_bar_dot, Tensors /*theta_bar_dot*/) override { return {y_bar_dot[0], y_bar_dot[0]}; }
};

class MaxPool final : public Unit {
 public:
  explicit MaxPool(const nets::MaxPool& op) : window_{op.kernel, op.stride, op.padding} {}

  Values forward(Values x, Tensors /*theta*/, const Values* /*running*/) override {
    x_ = std::move(x[0]);
    return {ops::max_pool(x_, window_, places_)};
  }
  Values backward(Values y_bar, Tensors /*theta_bar*/) override {
    return {ops::max_pool_backward(y_bar[0], x_, places_, window_)};
  }
  Values tangent(Values x_dot, Tensors /*theta_dot*/) override { return {ops::max_pool_tangent(x_dot[0], places_)}; }
  Values tangent_backward(Values y_bar_dot, Tensors theta_bar_dot) override {
    return backward(std::move(y_bar_dot), theta_bar_dot);
  }

 private:
  ops::MaxPoolWindow window_;
  at::Tensor x_;
  at::Tensor places_;
};

/// A linear operation without parameters: its sweeps of tangents are its sweeps of values.
class ParameterlessLinear final : public Unit {
 public:
  using Forward = std::function<at::Tensor(const at::Tensor& x)>;
  using Backward = std::function<at::Tensor(const at::Tensor& y_bar, const at::Tensor& x)>;

  ParameterlessLinear(Forward forward, Backward backward)
      : forward_(std::move(forward)), backward_(std::move(backward)) {}

  Values forward(Values x, Tensors /*theta*/, const Values* /*running*/) override {
    x_ = std::move(x[0]);
    return {forward_(x_)};
  }
  Values backward(Values y_bar, Tensors /*theta_bar*/) override { return {backward_(y_bar[0], x_)}; }
  Values tangent(Values x_dot, Tensors /*theta_dot*/) override { return {forward_(x_dot[0])}; }
  Values tangent_backward(Values y_bar_dot, Tensors theta_bar_dot) override {
    return backward(std::move(y_bar_dot), theta_bar_dot);
  }

 private:
  Forward forward_;
  Backward backward_;
  at::Tensor x_;
};

class Linear final : public Unit {
 public:
  Linear(const nets::Linear& op, const Products& products, Write write)
      : op_(op), products_(products), write_(std::move(write)) {}

  Values forward(Values x, Tensors theta, const Values* /*running*/) override {
    x_ = std::move(x[0]);
    theta_ = theta;
    return {products_.linear(x_, theta[op_.weight], theta[op_.bias])};
  }
  Values backward(Values y_bar, Tensors theta_bar) override {
    y_bar_ = std::move(y_bar[0]);
    return written(products_.linear_backward(y_bar_, x_, theta_[op_.weight]), theta_bar);
  }
  Values tangent(Values x_dot, Tensors theta_dot) override {
    theta_dot_ = theta_dot;
    x_dot_ = std::move(x_dot[0]);
    return {products_.linear_tangent(x_, x_dot_, theta_[op_.weight], theta_dot[op_.weight], theta_dot[op_.bias])};
  }
  Values tangent_backward(Values y_bar_dot, Tensors theta_bar_dot) override {
    return written(
        products_.linear_tangent_backward(y_bar_, y_bar_dot[0], x_, x_dot_, theta_[op_.weight], theta_dot_[op_.weight]),
        theta_bar_dot);
  }

 private:
  [[nodiscard]] Values written(const ops::LinearGradient& bar, Tensors theta_bar) const {
    write_(theta_bar[op_.weight], bar.w_bar);
    write_(theta_bar[op_.bias], bar.b_bar);
    return {bar.x_bar};
  }

  nets::Linear op_;
  const Products& products_;
  Write write_;
  Tensors theta_;
  Tensors theta_dot_;
  at::Tensor x_;
  at::Tensor y_bar_;
  at::Tensor x_dot_;
};

struct MakeUnit {
  const Part& part;
  size_t first;

  std::unique_ptr<Unit> operator()(const nets::Conv2d& op) const {
    const auto* const norm = part.follower<nets::BatchNorm>(first + 1);
    if (norm == nullptr) throw Error("INTERNAL", "A convolution without batch norm has no unit.");
    const bool input = part.network.operations[first].inputs.front() != 0;
    return std::make_unique<Convolution>(op, *norm, input, part.sweeps, part.norm);
  }
  std::unique_ptr<Unit> operator()(const nets::BatchNorm& /*op*/) const {
    throw Error("INTERNAL", "Batch norm that does not follow a convolution has no unit.");
  }
  std::unique_ptr<Unit> operator()(const nets::Relu& /*op*/) const { return std::make_unique<Relu>(); }
  std::unique_ptr<Unit> operator()(const nets::Relu6& /*op*/) const { return std::make_unique<Relu6>(); }
  std::unique_ptr<Unit> operator()(const nets::Add& /*op*/) const { return std::make_unique<Add>(); }
  std::unique_ptr<Unit> operator()(const nets::PaddedShortcut& op) const {
    const ops::ShortcutShape shape{op.stride, op.before, op.after};
    return std::make_unique<ParameterlessLinear>(
        [shape](const at::Tensor& x) { return ops::padded_shortcut(x, shape); },
        [shape](const at::Tensor& y_bar, const at::Tensor& x) {
          return ops::padded_shortcut_backward(y_bar, x, shape);
        });
  }
  std::unique_ptr<Unit> operator()(const nets::MaxPool& op) const { return std::make_unique<MaxPool>(op); }
  std::unique_ptr<Unit> operator()(const nets::GlobalAveragePool& /*op*/) const {
    return std::make_unique<ParameterlessLinear>(ops::avg_pool, ops::avg_pool_backward);
  }
  std::unique_ptr<Unit> operator()(const nets::AdaptiveAveragePool& op) const {
    return std::make_unique<ParameterlessLinear>(
        [side = op.side](const at::Tensor& x) { return ops::adaptive_avg_pool(x, side); },
        ops::adaptive_avg_pool_backward);
  }
  std::unique_ptr<Unit> operator()(const nets::Flatten& /*op*/) const {
    return std::make_unique<ParameterlessLinear>(ops::flatten, ops::flatten_backward);
  }
  std::unique_ptr<Unit> operator()(const nets::Linear& op) const {
    static const Products products(/*bf16=*/false);
    return linear_unit(op, products, [](const at::Tensor& to, const at::Tensor& bar) { to.copy_(bar); });
  }
};

}  // namespace

std::unique_ptr<Unit> linear_unit(const nets::Linear& op, const Products& products, Write write) {
  return std::make_unique<Linear>(op, products, std::move(write));
}

Step unit_of(const Part& part, size_t first) {
  const auto& operation = part.network.operations[first];
  const bool with_norm = std::holds_alternative<nets::Conv2d>(operation.kind);
  const int last = static_cast<int>(first) + (with_norm ? 1 : 0);
  Step step{operation.inputs, {last + 1}, {}};
  step.unit = std::visit(MakeUnit{part, first}, operation.kind);
  return step;
}

}  // namespace l2t::backends::reference
