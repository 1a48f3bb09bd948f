#include <ATen/ATen.h>

#include "native/terms/attention.h"
#include "native/terms/distillation.h"
#include "native/terms/sp.h"
#include "native/terms/vid.h"
#include "test/native/check.h"
#include "test/native/sweeps.h"

namespace l2t::test {
namespace {

TEST_SUITE_BEGIN("terms");

/// For a loss with no more than a gradient: the tangent is ⟨gradient, ẋ⟩, and there is no tangent of the gradient.
Sweeps of_gradient(const at::Tensor& loss, const Tensors& gradient, const Tensors& dot, const at::Tensor& bar) {
  auto loss_dot = at::zeros_like(loss);
  Tensors scaled;
  for (size_t i = 0; i < gradient.size(); ++i) {
    loss_dot = loss_dot + (gradient[i] * dot[i]).sum();
    scaled.push_back(gradient[i] * bar);
  }
  return {loss, scaled, loss_dot, {}};
}

/// One pair's attention loss; inputs: T.
Rule attention(const Shape& s) {
  const auto source = at::relu(draw({s.batch, s.out, s.side, s.side}));
  const auto q = [](const at::Tensor& map) {
    const auto a = map.square().mean(1).flatten(1);
    return a / a.norm(2, 1, /*keepdim=*/true).clamp_min(terms::kSmallestNorm);
  };
  return {{draw({s.batch, s.in, s.side, s.side})},
          [=](const Tensors& x) { return (q(x[0]) - q(source)).square().mean() * 700; },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& /*bar_dot*/) -> Sweeps {
            const auto value = terms::attention_value(source.to(x[0].scalar_type()), x[0], /*weight=*/700, s.batch);
            return of_gradient(value.loss, {value.t_bar}, dot, bar);
          }};
}

TEST_CASE("attention") { check_sweeps(attention, {{3, 5, 7, 4}, {1, 1, 3, 1}}); }

/// Learning without forgetting; inputs: T, then the head's weight and bias.
Rule distillation(const Shape& s) {
  const auto source_logits = draw({s.batch, s.out}) * 3;
  return {{draw({s.batch, s.in, s.side, s.side}), draw({s.out, s.in}), draw({s.out})},
          [=](const Tensors& x) {
            const auto z = at::linear(x[0].mean({2, 3}), x[1], x[2]);
            const auto p_source = at::softmax(source_logits / 3, 1);
            return 0.7 * 9 * at::kl_div(at::log_softmax(z / 3, 1), p_source, at::Reduction::Sum) / s.batch;
          },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& /*bar_dot*/) -> Sweeps {
            const auto value =
                terms::distillation_value(source_logits.to(x[0].scalar_type()), x[0], x[1], x[2], {0.7, 3}, s.batch);
            return of_gradient(value.loss, {value.t_bar, value.weight_bar, value.bias_bar}, dot, bar);
          }};
}

TEST_CASE("distillation") { check_sweeps(distillation, {{3, 5, 7, 4}, {1, 3, 2, 1}}); }

/// Distillation of the target's own logits, which are the input.
Rule kd(const Shape& s) {
  const auto source_logits = draw({s.batch, s.out}) * 3;
  return {{draw({s.batch, s.out})},
          [=](const Tensors& x) {
            const auto p_source = at::softmax(source_logits / 4, 1);
            return 0.7 * 16 * at::kl_div(at::log_softmax(x[0] / 4, 1), p_source, at::Reduction::Sum) / s.batch;
          },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& /*bar_dot*/) -> Sweeps {
            const auto value = terms::distilled_logits(source_logits.to(x[0].scalar_type()), x[0], {0.7, 4}, s.batch);
            return of_gradient(value.loss, {value.z_bar}, dot, bar);
          }};
}

TEST_CASE("kd") { check_sweeps(kd, {{3, 0, 7}}); }

/// One pair's loss of sp; inputs: T.
Rule sp(const Shape& s) {
  const auto similarity = [](const at::Tensor& map) {
    const auto g = at::mm(map.flatten(1), map.flatten(1).t());
    return g / g.norm(2, 1, /*keepdim=*/true);
  };
  const auto g_source = similarity(draw({s.batch, s.out, s.side + 1, s.side + 1}));
  return {{draw({s.batch, s.in, s.side, s.side})},
          [=](const Tensors& x) { return (similarity(x[0]) - g_source).square().mean() * 30; },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& /*bar_dot*/) -> Sweeps {
            const auto value =
                terms::sp_value(g_source.to(x[0].scalar_type()), x[0], /*weight=*/30, {&single_process(), s.batch});
            return of_gradient(value.loss, {value.t_bar}, dot, bar);
          }};
}

TEST_CASE("sp") { check_sweeps(sp, {{5, 5, 7, 4}}); }

/// One pair's loss of vid; inputs: T, then the branch's weight and bias, and ρ.
Rule vid(const Shape& s) {
  const auto source = draw({s.batch, s.out, s.side, s.side});
  return {{draw({s.batch, s.in, s.side, s.side}), draw({s.out, s.in, 1, 1}), draw({s.out}), draw({s.out})},
          [=](const Tensors& x) {
            const auto variance = (at::log1p(x[3].exp()) + 1e-5).view({1, -1, 1, 1});
            const auto squares = (at::conv2d(x[0], x[1], x[2]) - source).square();
            return 0.7 * (0.5 * (squares / variance + variance.log())).mean();
          },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& /*bar_dot*/) -> Sweeps {
            const auto value =
                terms::vid_value(source.to(x[0].scalar_type()), x[0], {x[1], x[2], x[3]}, /*weight=*/0.7, s.batch);
            return of_gradient(value.of_map.loss, {value.of_map.t_bar, value.bar.weight, value.bar.bias, value.bar.rho},
                               dot, bar);
          }};
}

TEST_CASE("vid") { check_sweeps(vid, {{3, 5, 7, 4}}); }

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::test
