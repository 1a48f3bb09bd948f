#include "native/backends/cuda/units.h"

namespace l2t::backends::cuda {
namespace {

class LinearUnit final : public Unit {
 public:
  LinearUnit(const nets::Linear& op, const Products& products, std::shared_ptr<Gradients> gradients)
      : op_(op), products_(products), gradients_(std::move(gradients)) {}

  Values forward(Values x, Tensors theta, const Values* /*running*/) override {
    x_ = std::move(x[0]);
    theta_ = theta;
    return {products_.linear(x_, theta[op_.weight], theta[op_.bias])};
  }

  Values backward(Values y_bar, Tensors theta_bar) override {
    y_bar_ = std::move(y_bar[0]);
    return write(theta_bar, products_.linear_backward(y_bar_, x_, theta_[op_.weight]));
  }

  Values tangent(Values x_dot, Tensors theta_dot) override {
    x_dot_ = std::move(x_dot[0]);
    theta_dot_ = theta_dot;
    return {products_.linear_tangent(x_, x_dot_, theta_[op_.weight], theta_dot[op_.weight], theta_dot[op_.bias])};
  }

  Values tangent_backward(Values y_bar_dot, Tensors theta_bar_dot) override {
    return write(theta_bar_dot, products_.linear_tangent_backward(y_bar_, y_bar_dot[0], x_, x_dot_, theta_[op_.weight],
                                                                  theta_dot_[op_.weight]));
  }

 private:
  Values write(Tensors theta_bar, const ops::LinearGradient& bar) {
    gradients_->push_back({theta_bar[op_.weight], bar.w_bar, {}});
    gradients_->push_back({theta_bar[op_.bias], bar.b_bar, {}});
    return {bar.x_bar};
  }

  nets::Linear op_;
  const Products& products_;
  std::shared_ptr<Gradients> gradients_;
  Tensors theta_;
  Tensors theta_dot_;
  at::Tensor x_;
  at::Tensor y_bar_;
  at::Tensor x_dot_;
};

}  // namespace

std::unique_ptr<Unit> make_linear_unit(const nets::Linear& op, const Products& products,
                                       std::shared_ptr<Gradients> gradients) {
  return std::make_unique<LinearUnit>(op, products, std::move(gradients));
}

}  // namespace l2t::backends::cuda
