#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

/// One operation's four sweeps, and the same function as automatic differentiation sees it.
namespace l2t::test {

using Tensors = std::vector<at::Tensor>;

/// The results of the four sweeps for inputs x (parameters included), ẋ, ȳ and ȳ̇.
struct Sweeps {
  at::Tensor y;
  Tensors x_bar;
  at::Tensor y_dot;
  Tensors x_bar_dot;  // empty where there is no such sweep
};

struct Rule {
  Tensors inputs;  // float64
  std::function<at::Tensor(const Tensors&)> reference;
  std::function<Sweeps(const Tensors& x, const Tensors& x_dot, const at::Tensor& y_bar, const at::Tensor& y_bar_dot)>
      native;
};

/// A random input in float64.
at::Tensor draw(at::IntArrayRef shape);

/// For a loss, whose sweeps take the cotangent as a constant 1: scales x̄̇ by ȳ, and adds x̄ times ȳ̇.
Tensors combine(const Tensors& bar, const Tensors& bar_dot, const at::Tensor& y_bar, const at::Tensor& y_bar_dot);

/// The rule of an operation on inputs of a shape: batch, channels in, channels out, side, kernel, stride, padding.
struct Shape {
  int64_t batch, in, out, side, kernel, stride, padding;
};
Rule make_rule(const std::string& operation, const Shape& shape);

}  // namespace l2t::test
