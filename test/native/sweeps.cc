#include "test/native/sweeps.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include "test/native/check.h"

namespace l2t::test {

at::Tensor draw(at::IntArrayRef shape) {
  auto tensor = at::randn(shape, at::kDouble);
  return tensor.dim() == 4 ? tensor.contiguous(at::MemoryFormat::ChannelsLast) : tensor;
}

Tensors combine(const Tensors& bar, const Tensors& bar_dot, const at::Tensor& y_bar, const at::Tensor& y_bar_dot) {
  Tensors result;
  for (size_t i = 0; i < bar.size(); ++i) result.push_back(bar_dot[i] * y_bar + bar[i] * y_bar_dot);
  return result;
}

double relative_error(const at::Tensor& got, const at::Tensor& want) {
  const auto wanted = want.to(at::kDouble);
  const double norm = wanted.norm().item<double>();
  const double distance = (got.to(at::kDouble) - wanted).norm().item<double>();
  return norm > 0 ? distance / norm : distance;
}

namespace {

Tensors draw_like(const Tensors& tensors) {
  Tensors result;
  for (const auto& tensor : tensors) result.push_back(at::randn_like(tensor));
  return result;
}

/// The four sweeps by automatic differentiation. With g(u) = ∇x ⟨y, u⟩: ẏ = ∂/∂u ⟨g(u), ẋ⟩, x̄̇ = ∂/∂x ⟨g(ȳ), ẋ⟩ + g(ȳ̇).
Sweeps by_autograd(const Rule& rule, const Tensors& x_dot, const at::Tensor& y_bar, const at::Tensor& y_bar_dot) {
  Tensors x;
  for (const auto& input : rule.inputs) x.push_back(input.detach().requires_grad_());
  const auto u = y_bar.detach().requires_grad_();
  const auto y = rule.reference(x);
  const auto g = torch::autograd::grad({y}, x, {u}, true, true);
  auto along = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < g.size(); ++i) along = along + (g[i] * x_dot[i]).sum();
  const auto y_dot = torch::autograd::grad({along}, {u}, {}, true, true, true)[0];
  const bool curved = along.requires_grad();
  const auto second = curved ? torch::autograd::grad({along}, x, {}, true, false, true) : Tensors(x.size());
  const auto moved = torch::autograd::grad({y}, x, {y_bar_dot}, true);
  Sweeps result{y.detach(), {}, y_dot.detach(), {}};
  for (size_t i = 0; i < x.size(); ++i) {
    result.x_bar.push_back(g[i].detach());
    result.x_bar_dot.push_back(second[i].defined() ? second[i].detach() + moved[i] : moved[i]);
  }
  return result;
}

at::Tensor central_difference(const Rule& rule, const Tensors& x_dot) {
  constexpr double kStep = 1e-6;
  const auto moved = [&](double step) {
    Tensors x;
    for (size_t i = 0; i < x_dot.size(); ++i) x.push_back(rule.inputs[i] + x_dot[i] * step);
    return rule.reference(x);
  };
  return (moved(kStep) - moved(-kStep)) / (2 * kStep);
}

Sweeps in_float32(const Rule& rule, const Tensors& x_dot, const at::Tensor& y_bar, const at::Tensor& y_bar_dot) {
  const auto cast = [](const Tensors& tensors) {
    Tensors result;
    for (const auto& tensor : tensors) result.push_back(tensor.to(at::kFloat));
    return result;
  };
  return rule.native(cast(rule.inputs), cast(x_dot), y_bar.to(at::kFloat), y_bar_dot.to(at::kFloat));
}

void check_equal(const Sweeps& got, const Sweeps& want, double bound) {
  const auto check = [bound](const std::string& sweep, const Tensors& ours, const Tensors& theirs) {
    REQUIRE(ours.size() == theirs.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      INFO(sweep, ", tensor ", i);
      CHECK(relative_error(ours[i], theirs[i]) < bound);
    }
  };
  check("forward", {got.y}, {want.y});
  check("backward", got.x_bar, want.x_bar);
  check("tangent", {got.y_dot}, {want.y_dot});
  if (!got.x_bar_dot.empty()) check("tangent-backward", got.x_bar_dot, want.x_bar_dot);
}

/// A step of 1e-6 leaves 1e-12 of curvature and 1e-10 of rounding. The tangent of a loss is a sum that cancels, so its
/// rounding counts for more: 2e-8 on ARM, 5e-9 on x64.
double largest_difference([[maybe_unused]] const at::Tensor& y) {
#ifdef __aarch64__
  if (y.dim() == 0) return 1e-7;
#endif
  return 1e-8;
}

}  // namespace

void check_sweeps(const std::function<Rule(const Shape&)>& make_rule, std::initializer_list<Shape> shapes) {
  for (const auto& s : shapes) {
    INFO("shape ", s.batch, ", ", s.in, ", ", s.out, ", ", s.side, ", ", s.kernel, ", ", s.stride, ", ", s.padding);
    at::manual_seed(7);
    const auto rule = make_rule(s);
    const auto x_dot = draw_like(rule.inputs);
    const auto y = rule.reference(rule.inputs);
    const auto y_bar = at::randn_like(y);
    const auto y_bar_dot = at::randn_like(y);
    const auto native = rule.native(rule.inputs, x_dot, y_bar, y_bar_dot);
    {
      INFO("by automatic differentiation, float64");
      check_equal(native, by_autograd(rule, x_dot, y_bar, y_bar_dot), 1e-10);
      INFO("the tangent by central differences");
      CHECK(relative_error(native.y_dot, central_difference(rule, x_dot)) < largest_difference(y));
    }
    INFO("float32 by float64");
    // The tangent of a loss is one number, a sum that cancels.
    check_equal(in_float32(rule, x_dot, y_bar, y_bar_dot), native, 3e-5);
  }
}

}  // namespace l2t::test
