#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "native/core/threads.h"
#include "test/native/sweeps/rule.h"

/// sweeps OPERATION batch in out side kernel stride padding: prints the relative error of each sweep as JSON
///   autograd:   float64, against automatic differentiation
///   float32:    against itself in float64
///   difference: the tangent against central differences, float64
namespace l2t::test {
namespace {

Tensors draw_like(const Tensors& tensors) {
  Tensors result;
  for (const auto& tensor : tensors) result.push_back(at::randn_like(tensor));
  return result;
}

double error(const at::Tensor& got, const at::Tensor& want) {
  const auto wanted = want.to(at::kDouble);
  const double norm = wanted.norm().item<double>();
  const double distance = (got.to(at::kDouble) - wanted).norm().item<double>();
  return norm > 0 ? distance / norm : distance;
}

double error(const Tensors& got, const Tensors& want) {
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i) worst = std::max(worst, error(got[i], want[i]));
  return worst;
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

void print(const char* name, const Sweeps& got, const Sweeps& want, const char* end) {
  std::printf("\"%s\":{\"forward\":%g,\"backward\":%g,\"tangent\":%g", name, error(got.y, want.y),
              error(got.x_bar, want.x_bar), error(got.y_dot, want.y_dot));
  if (!got.x_bar_dot.empty()) std::printf(",\"tangentBackward\":%g", error(got.x_bar_dot, want.x_bar_dot));
  std::printf("}%s", end);
}

}  // namespace
}  // namespace l2t::test

int main(int count, char** words) {
  using namespace l2t::test;
  if (count != 9) return 2;
  l2t::set_threads(1);
  at::manual_seed(7);
  const auto number = [&](int i) { return std::strtoll(words[i], nullptr, 10); };
  const auto rule = make_rule(words[1], {number(2), number(3), number(4), number(5), number(6), number(7), number(8)});
  const auto x_dot = draw_like(rule.inputs);
  const auto y = rule.reference(rule.inputs);
  const auto y_bar = at::randn_like(y);
  const auto y_bar_dot = at::randn_like(y);
  const auto native = rule.native(rule.inputs, x_dot, y_bar, y_bar_dot);
  std::printf("{");
  print("autograd", native, by_autograd(rule, x_dot, y_bar, y_bar_dot), ",");
  print("float32", in_float32(rule, x_dot, y_bar, y_bar_dot), native, ",");
  std::printf("\"difference\":%g}\n", error(native.y_dot, central_difference(rule, x_dot)));
  return 0;
}
