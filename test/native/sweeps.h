#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <initializer_list>
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

/// ‖got − want‖ / ‖want‖, in float64; ‖got‖ if `want` is 0.
double relative_error(const at::Tensor& got, const at::Tensor& want);

/// For a loss, whose sweeps take the cotangent as a constant 1: scales x̄̇ by ȳ, and adds x̄ times ȳ̇.
Tensors combine(const Tensors& bar, const Tensors& bar_dot, const at::Tensor& y_bar, const at::Tensor& y_bar_dot);

/// The shape of an operation's inputs; 0 where the operation has none of these.
struct Shape {
  int64_t batch;
  int64_t in = 0;  // channels
  int64_t out = 0;
  int64_t side = 0;
  int64_t kernel = 0;
  int64_t stride = 0;
  int64_t padding = 0;
};

/// Checks an operation's sweeps at each shape: in float64 against automatic differentiation, the tangent also against
/// central differences; and in float32 against themselves in float64.
void check_sweeps(const std::function<Rule(const Shape&)>& make_rule, std::initializer_list<Shape> shapes);

}  // namespace l2t::test
