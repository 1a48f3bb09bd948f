#include <ATen/ATen.h>

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
#include "test/native/check.h"
#include "test/native/sweeps.h"

// Odd shapes on purpose: no channel count is a multiple of 16.
namespace l2t::test {
namespace {

TEST_SUITE_BEGIN("ops");

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

TEST_CASE("conv2d") {
  check_sweeps([](const Shape& s) { return conv2d(s, /*bias=*/false); },
               {{2, 3, 5, 7, 3, 1, 1}, {3, 4, 17, 9, 3, 2, 1}, {1, 5, 3, 6, 1, 2}, {2, 3, 6, 11, 7, 2, 3}});
}

TEST_CASE("conv2d with bias") {
  check_sweeps([](const Shape& s) { return conv2d(s, /*bias=*/true); }, {{2, 3, 5, 7, 3, 1, 1}});
}

TEST_CASE("depthwise conv2d") {
  // The last has two channels out of each channel in.
  check_sweeps([](const Shape& s) { return conv2d(s, /*bias=*/false, /*groups=*/s.in); },
               {{2, 5, 5, 7, 3, 1, 1}, {3, 19, 19, 8, 3, 2, 1}, {2, 3, 6, 1, 3, 1, 1}});
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
            INFO("x̄ made again");
            CHECK(at::allclose(g.x_bar, x_bar, rounding, rounding));
            return {y, {x_bar, g.scale_bar, g.shift_bar}, t.y_dot, {d.x_bar, d.scale_bar, d.shift_bar}};
          }};
}

TEST_CASE("batch norm") { check_sweeps(batch_norm, {{3, 5, 0, 4}, {1, 17, 0, 3}}); }

Rule relu(const Shape& s) {
  return {{draw({s.batch, s.in, s.side, s.side})},
          [](const Tensors& x) { return at::relu(x[0]); },
          [](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            const auto y = ops::relu(x[0]);
            return {y, {ops::relu_mask(bar, y)}, ops::relu_mask(dot[0], y), {ops::relu_mask(bar_dot, y)}};
          }};
}

TEST_CASE("relu") { check_sweeps(relu, {{2, 3, 0, 5}}); }

/// Values on both sides of 0 and of 6.
Rule relu6(const Shape& s) {
  return {{draw({s.batch, s.in, s.side, s.side}) * 6},
          [](const Tensors& x) { return at::hardtanh(x[0], 0, 6); },
          [](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            const auto y = ops::relu6(x[0]);
            return {y, {ops::relu6_mask(bar, y)}, ops::relu6_mask(dot[0], y), {ops::relu6_mask(bar_dot, y)}};
          }};
}

TEST_CASE("relu6") { check_sweeps(relu6, {{2, 3, 0, 5}}); }

Rule add(const Shape& s) {
  return {{draw({s.batch, s.in, s.side, s.side}), draw({s.batch, s.in, s.side, s.side})},
          [](const Tensors& x) { return x[0] + x[1]; },
          [](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            return {ops::add(x[0], x[1]), {bar, bar}, ops::add(dot[0], dot[1]), {bar_dot, bar_dot}};
          }};
}

TEST_CASE("add") { check_sweeps(add, {{2, 3, 0, 5}}); }

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

TEST_CASE("padded shortcut") {
  check_sweeps(padded_shortcut, {{2, 4, 8, 6, 0, 2}, {3, 5, 10, 7, 0, 2}, {1, 3, 3, 1, 0, 2}});
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

TEST_CASE("max-pool") { check_sweeps(max_pool, {{2, 3, 0, 8, 2, 2}, {1, 5, 0, 9, 3, 2, 1}}); }

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

TEST_CASE("average pool") { check_sweeps(avg_pool, {{2, 3, 0, 5}}); }

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

TEST_CASE("adaptive average pool") {
  // Bins that overlap, that repeat, and that are whole.
  check_sweeps(adaptive_avg_pool, {{2, 3, 7, 10}, {2, 3, 7, 1}, {1, 5, 7, 14}});
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

TEST_CASE("flatten") { check_sweeps(flatten, {{2, 3, 0, 4}, {2, 3, 0, 1}, {0, 3, 0, 4}}); }

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

TEST_CASE("linear") { check_sweeps(linear, {{3, 7, 5}, {1, 1, 1}}); }

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

TEST_CASE("cross-entropy") {
  check_sweeps([](const Shape& s) { return cross_entropy(s, /*weighted=*/false); }, {{4, 6}});
}

TEST_CASE("weighted cross-entropy") {
  check_sweeps([](const Shape& s) { return cross_entropy(s, /*weighted=*/true); }, {{4, 6}});
}

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::test
