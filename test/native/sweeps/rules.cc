#include <ATen/ATen.h>

#include "native/backends/cpu/backend.h"
#include "native/backends/reference/backend.h"
#include "native/ops/adaptive_avg_pool.h"
#include "native/ops/add.h"
#include "native/ops/avg_pool.h"
#include "native/ops/batch_norm.h"
#include "native/ops/conv2d.h"
#include "native/ops/cross_entropy.h"
#include "native/ops/flatten.h"
#include "native/ops/linear.h"
#include "native/ops/max_pool.h"
#include "native/ops/padded_shortcut.h"
#include "native/ops/relu.h"
#include "native/ops/relu6.h"
#include "native/terms/attention.h"
#include "native/terms/distillation.h"
#include "native/terms/sp.h"
#include "native/terms/vid.h"
#include "test/native/sweeps/backend_rules.h"
#include "test/native/sweeps/rule.h"

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

namespace {

Rule conv2d(const Shape& s, bool bias, int64_t groups = 1) {
  const ops::Conv2dWindow window{s.stride, s.padding, groups};
  Tensors inputs{draw({s.batch, s.in, s.side, s.side}), draw({s.out, s.in / groups, s.kernel, s.kernel})};
  if (bias) inputs.push_back(draw({s.out}));
  const auto b = [bias](const Tensors& x) { return bias ? x[2] : at::Tensor(); };
  const auto list = [bias](const ops::Conv2dGradient& g) {
    return bias ? Tensors{g.x_bar, g.w_bar, g.b_bar} : Tensors{g.x_bar, g.w_bar};
  };
  return {
      inputs, [=](const Tensors& x) { return at::conv2d(x[0], x[1], b(x), window.stride, window.padding, 1, groups); },
      [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
        return {ops::conv2d(x[0], x[1], b(x), window), list(ops::conv2d_backward(bar, x[0], x[1], bias, true, window)),
                ops::conv2d_tangent(x[0], dot[0], x[1], dot[1], b(dot), window),
                list(ops::conv2d_tangent_backward(bar, bar_dot, x[0], dot[0], x[1], dot[1], bias, true, window))};
      }};
}

Rule batch_norm(const Shape& s) {
  constexpr double kEpsilon = 1e-5;
  return {{draw({s.batch, s.in, s.side, s.side}) + 0.5, draw({s.in}), draw({s.in})},
          [](const Tensors& x) { return at::batch_norm(x[0], x[1], x[2], {}, {}, true, 0.1, kEpsilon, false); },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            ops::BatchStatistics statistics;
            const auto y =
                ops::batch_norm(x[0], x[1], x[2], {}, {}, 0.1, kEpsilon, {&single_process(), s.batch}, statistics);
            auto g = ops::batch_norm_backward(bar, x[0], x[1], statistics);
            const auto x_bar = std::exchange(g.x_bar, at::Tensor());
            const auto t = ops::batch_norm_tangent(x[0], dot[0], x[1], dot[1], dot[2], statistics);
            const auto d = ops::batch_norm_tangent_backward(bar, bar_dot, x[0], dot[0], x[1], dot[1], statistics, t, g);
            const double rounding = x_bar.scalar_type() == at::kDouble ? 1e-12 : 1e-5;
            TORCH_CHECK(at::allclose(g.x_bar, x_bar, rounding, rounding), "x̄ made again is not x̄");
            return {y, {x_bar, g.scale_bar, g.shift_bar}, t.y_dot, {d.x_bar, d.scale_bar, d.shift_bar}};
          }};
}

Rule relu(const Shape& s) {
  return {{draw({s.batch, s.in, s.side, s.side})},
          [](const Tensors& x) { return at::relu(x[0]); },
          [](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            const auto y = ops::relu(x[0]);
            return {y, {ops::relu_mask(bar, y)}, ops::relu_mask(dot[0], y), {ops::relu_mask(bar_dot, y)}};
          }};
}

/// Values on both sides of 0 and of 6.
Rule relu6(const Shape& s) {
  return {{draw({s.batch, s.in, s.side, s.side}) * 6},
          [](const Tensors& x) { return at::hardtanh(x[0], 0, 6); },
          [](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            const auto y = ops::relu6(x[0]);
            return {y, {ops::relu6_mask(bar, y)}, ops::relu6_mask(dot[0], y), {ops::relu6_mask(bar_dot, y)}};
          }};
}

Rule add(const Shape& s) {
  return {{draw({s.batch, s.in, s.side, s.side}), draw({s.batch, s.in, s.side, s.side})},
          [](const Tensors& x) { return x[0] + x[1]; },
          [](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            return {ops::add(x[0], x[1]), {bar, bar}, ops::add(dot[0], dot[1]), {bar_dot, bar_dot}};
          }};
}

/// `out`: channels; an odd number of new ones has one more after than before.
Rule padded_shortcut(const Shape& s) {
  const ops::ShortcutShape shape{s.stride, (s.out - s.in) / 2, s.out - s.in - (s.out - s.in) / 2};
  return {{draw({s.batch, s.in, s.side, s.side})},
          [=](const Tensors& x) {
            using at::indexing::Slice;
            const auto y =
                x[0].index({Slice(), Slice(), Slice(0, at::nullopt, s.stride), Slice(0, at::nullopt, s.stride)});
            const auto zeros = [&](int64_t c) { return at::zeros({s.batch, c, y.size(2), y.size(3)}, y.options()); };
            return at::cat({zeros(shape.before), y, zeros(shape.after)}, 1);
          },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            return {ops::padded_shortcut(x[0], shape),
                    {ops::padded_shortcut_backward(bar, x[0], shape)},
                    ops::padded_shortcut(dot[0], shape),
                    {ops::padded_shortcut_backward(bar_dot, x[0], shape)}};
          }};
}

Rule max_pool(const Shape& s) {
  const ops::MaxPoolWindow window{s.kernel, s.stride, s.padding};
  return {{draw({s.batch, s.in, s.side, s.side})},
          [=](const Tensors& x) { return at::max_pool2d(x[0], window.kernel, window.stride, window.padding); },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            at::Tensor places;
            const auto y = ops::max_pool(x[0], window, places);
            return {y,
                    {ops::max_pool_backward(bar, x[0], places, window)},
                    ops::max_pool_tangent(dot[0], places),
                    {ops::max_pool_backward(bar_dot, x[0], places, window)}};
          }};
}

Rule avg_pool(const Shape& s) {
  return {{draw({s.batch, s.in, s.side, s.side})},
          [](const Tensors& x) { return at::mean(x[0], {2, 3}); },
          [](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            return {ops::avg_pool(x[0]),
                    {ops::avg_pool_backward(bar, x[0])},
                    ops::avg_pool(dot[0]),
                    {ops::avg_pool_backward(bar_dot, x[0])}};
          }};
}

/// `out`: the side to pool to.
Rule adaptive_avg_pool(const Shape& s) {
  return {{draw({s.batch, s.in, s.side, s.side})},
          [=](const Tensors& x) { return at::adaptive_avg_pool2d(x[0], {s.out, s.out}); },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            return {ops::adaptive_avg_pool(x[0], s.out),
                    {ops::adaptive_avg_pool_backward(bar, x[0])},
                    ops::adaptive_avg_pool(dot[0], s.out),
                    {ops::adaptive_avg_pool_backward(bar_dot, x[0])}};
          }};
}

Rule flatten(const Shape& s) {
  return {{draw({s.batch, s.in, s.side, s.side})},
          [](const Tensors& x) { return at::flatten(x[0], 1); },
          [](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            return {ops::flatten(x[0]),
                    {ops::flatten_backward(bar, x[0])},
                    ops::flatten(dot[0]),
                    {ops::flatten_backward(bar_dot, x[0])}};
          }};
}

Rule linear(const Shape& s) {
  return {{draw({s.batch, s.in}), draw({s.out, s.in}), draw({s.out})},
          [](const Tensors& x) { return at::linear(x[0], x[1], x[2]); },
          [](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            const auto g = ops::linear_backward(bar, x[0], x[1]);
            const auto d = ops::linear_tangent_backward(bar, bar_dot, x[0], dot[0], x[1], dot[1]);
            return {ops::linear(x[0], x[1], x[2]),
                    {g.x_bar, g.w_bar, g.b_bar},
                    ops::linear_tangent(x[0], dot[0], x[1], dot[1], dot[2]),
                    {d.x_bar, d.w_bar, d.b_bar}};
          }};
}

/// `weighted`: the images have weights, and the labels are smoothed.
Rule cross_entropy(const Shape& s, bool weighted) {
  const auto y = at::randint(s.in, {s.batch}, at::kLong);
  const auto weights = weighted ? at::rand({s.batch}, at::kDouble) * 3 : at::Tensor();
  const double smoothing = weighted ? 0.3 : 0;
  return {{draw({s.batch, s.in})},
          [=](const Tensors& z) {
            const auto by_image = at::cross_entropy_loss(z[0], y, {}, at::Reduction::None, -100, smoothing);
            return (weighted ? weights * by_image : by_image).mean();
          },
          [=](const Tensors& z, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            const ops::Labels labels{y, weighted ? weights.to(z[0].scalar_type()) : weights, smoothing, s.batch};
            at::Tensor log_p;
            const auto loss = ops::cross_entropy(z[0], labels, log_p);
            const Tensors z_bar{ops::cross_entropy_backward(log_p, labels)};
            const Tensors z_bar_dot{ops::cross_entropy_tangent_backward(log_p, dot[0], labels)};
            return {loss, {z_bar[0] * bar}, (z_bar[0] * dot[0]).sum(), combine(z_bar, z_bar_dot, bar, bar_dot)};
          }};
}

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

}  // namespace

Rule make_rule(const std::string& operation, const Shape& shape) {
  if (operation == "conv2d") return conv2d(shape, /*bias=*/false);
  if (operation == "conv2d with bias") return conv2d(shape, /*bias=*/true);
  if (operation == "depthwise conv2d") return conv2d(shape, /*bias=*/false, /*groups=*/shape.in);
  if (operation == "batch_norm") return batch_norm(shape);
  if (operation == "relu") return relu(shape);
  if (operation == "relu6") return relu6(shape);
  if (operation == "add") return add(shape);
  if (operation == "padded_shortcut") return padded_shortcut(shape);
  if (operation == "max_pool") return max_pool(shape);
  if (operation == "avg_pool") return avg_pool(shape);
  if (operation == "adaptive_avg_pool") return adaptive_avg_pool(shape);
  if (operation == "flatten") return flatten(shape);
  if (operation == "linear") return linear(shape);
  if (operation == "cross_entropy") return cross_entropy(shape, /*weighted=*/false);
  if (operation == "weighted cross_entropy") return cross_entropy(shape, /*weighted=*/true);
  if (operation == "unit") return unit(shape, {});
  if (operation == "unit with relu") return unit(shape, {.add = false, .relu = true, .pool = false});
  if (operation == "unit with max_pool") return unit(shape, {.add = false, .relu = true, .pool = true});
  if (operation == "unit with residual") return unit(shape, {.add = true, .relu = true, .pool = false});
  if (operation == "attention_loss") return attention(shape);
  if (operation == "distillation_loss") return distillation(shape);
  if (operation == "kd_loss") return kd(shape);
  if (operation == "sp_loss") return sp(shape);
  if (operation == "vid_loss") return vid(shape);
  if (operation == "matching_loss") return matching(shape, backends::reference::backend());
  if (operation == "fused matching_loss") return matching(shape, backends::cpu::backend());
  if (operation == "gram matching_loss") return gram_matching(shape);
  TORCH_CHECK(false, "no rule for ", operation);
}

}  // namespace l2t::test
