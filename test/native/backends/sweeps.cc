#include <ATen/ATen.h>

#include <stdexcept>

#include "native/backends/backend.h"
#include "native/backends/cpu/backend.h"
#include "native/backends/cpu/conv_unit.h"
#include "native/backends/cpu/form.h"
#include "native/backends/cpu/matching_gram.h"
#include "native/backends/fused_unit.h"
#include "native/backends/reference/backend.h"
#include "test/native/check.h"
#include "test/native/sweeps.h"

/// Sweeps that backends fuse.
namespace l2t::test {
namespace {

TEST_SUITE_BEGIN("kernels");

/// The matching loss at one target map, in a backend's direct form. Inputs: T, then the branches' weight and bias.
Rule matching(const Shape& s, const backends::Backend& backend) {
  const auto source = draw({s.batch, s.out, s.side, s.side});
  const auto k = at::rand({s.batch, s.out}, at::kDouble);
  const auto list = [](const backends::MatchingSweep& sweep) {
    return Tensors{sweep.t_bar, sweep.bar.weight, sweep.bar.bias};
  };
  return {
      {draw({s.batch, s.in, s.side, s.side}), draw({s.out, s.in, 1, 1}), draw({s.out})},
      [=](const Tensors& x) {
        const auto e = (at::conv2d(x[0], x[1], x[2]) - source).square().mean({2, 3});
        return (k * e).sum();
      },
      [=, &backend](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
        const auto type = x[0].scalar_type();
        const auto s_typed = source.to(type);
        const auto k_typed = k.to(type);
        const backends::MatchingInputs inputs{x[0], s_typed, k_typed};
        const auto value = backend.matching_gradient(inputs, {x[1], x[2]});
        const auto tangent = backend.matching_tangent(inputs, dot[0], {x[1], x[2]}, {dot[1], dot[2]}, /*product=*/true);
        Tensors scaled;
        const auto g = list(value);
        for (const auto& tensor : g) scaled.push_back(tensor * bar);
        return {value.value, scaled, (k_typed * tangent.value).sum(), combine(g, list(tangent), bar, bar_dot)};
      }};
}

TEST_CASE("matching") {
  check_sweeps([](const Shape& s) { return matching(s, backends::reference::backend()); }, {{3, 5, 7, 4}});
}

TEST_CASE("fused matching") {
  check_sweeps([](const Shape& s) { return matching(s, backends::cpu::backend()); }, {{3, 5, 7, 4}, {2, 19, 33, 17}});
}

/// The same by Gram matrices, from source maps of the sides kernel, stride and padding (0: there is none); all but the
/// first have half of its channels, and one more.
Rule gram_matching(const Shape& s) {
  Tensors sources;
  Tensors same_size;
  for (const int64_t side : {s.kernel, s.stride, s.padding}) {
    if (side == 0) continue;
    sources.push_back(draw({s.batch, sources.empty() ? s.out : s.out / 2 + 1, side, side}));
    same_size.push_back(at::upsample_bilinear2d(sources.back(), {s.side, s.side}, false));
  }
  const auto source = at::cat(same_size, 1);
  const int64_t channels = source.size(1);
  const auto k = at::rand({s.batch, channels}, at::kDouble);
  const auto list = [](const backends::MatchingSweep& sweep) {
    return Tensors{sweep.t_bar, sweep.bar.weight, sweep.bar.bias};
  };
  return {{draw({s.batch, s.in, s.side, s.side}), draw({channels, s.in, 1, 1}), draw({channels})},
          [=](const Tensors& x) { return (k * (at::conv2d(x[0], x[1], x[2]) - source).square().mean({2, 3})).sum(); },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            const auto type = x[0].scalar_type();
            Tensors typed;
            for (const auto& map : sources) typed.push_back(map.to(type));
            const auto k_typed = k.to(type);
            const auto map = backends::cpu::gram_matching(typed, k_typed, x[0]);
            const auto point = map->at(x[0], {x[1], x[2]});
            const auto value = point->gradient();
            const auto tangent = point->tangent(dot[0], {dot[1], dot[2]}, /*product=*/true);
            const auto e_dot = point->tangent(dot[0], {dot[1], dot[2]}, /*product=*/false).value;
            // Not bit by bit: compilers may fuse another multiplication with its addition where there is no product.
            const double rounding = type == at::kDouble ? 1e-13 : 1e-5;
            INFO("ė without the product");
            CHECK((e_dot - tangent.value).norm().item<double>() <= rounding * tangent.value.norm().item<double>());
            Tensors scaled;
            const auto g = list(value);
            for (const auto& tensor : g) scaled.push_back(tensor * bar);
            return {value.value, scaled, (k_typed * tangent.value).sum(), combine(g, list(tangent), bar, bar_dot)};
          }};
}

TEST_CASE("gram matching") {
  // The maps of the source are smaller than the target's, equal, and larger. A rank may have no images.
  check_sweeps(gram_matching, {{3, 5, 7, 9, 4, 9, 13},
                               {2, 19, 33, 17, 1, 2, 16},
                               {2, 1, 1, 5, 3},
                               {2, 16, 32, 12, 6, 6, 12},
                               {1, 3, 2, 1, 1, 2},
                               {0, 5, 7, 9, 4, 9, 13}});
}

/// A fused unit of the CPU, and what follows batch norm in it. Its outputs, the map and the max-pool, as one vector.
Rule unit(const Shape& s, const backends::UnitEnd& end) {
  constexpr double kEpsilon = 1e-5;
  const std::vector<int64_t> shape{s.out, s.in, s.kernel, s.kernel};
  const nets::Conv2d conv{0, -1, static_cast<int>(s.stride), static_cast<int>(s.padding)};
  const auto chosen = backends::cpu::geometry_of(conv, shape, s.batch, s.side);
  if (!chosen) throw std::invalid_argument("no kernels for this convolution");
  const auto geometry = *chosen;
  const int64_t side = geometry.side;
  const auto skip = [=](const Tensors& x) { return end.add ? x[4] : at::Tensor(); };
  const auto zeros = [](Tensors tensors) {
    for (auto& tensor : tensors) tensor = at::zeros(tensor.sizes(), tensor.options());
    return tensors;
  };
  const auto join = [=](const at::Tensor& map, const at::Tensor& pooled) {
    return end.pool ? at::cat({map.flatten(), pooled.flatten()}) : map.flatten();
  };
  const auto list = [=](backends::Values input, const Tensors& theta) {
    Tensors bars{input[0], theta[0], theta[1], theta[2]};
    if (end.add) bars.push_back(input[1]);
    return bars;
  };
  const auto split = [=](const at::Tensor& joined) -> backends::Values {
    const auto count = s.batch * s.out * side * side;
    return {joined.narrow(0, 0, count).view({s.batch, s.out, side, side}),
            end.pool ? joined.narrow(0, count, count / 4).view({s.batch, s.out, side / 2, side / 2}) : at::Tensor()};
  };
  Tensors inputs{draw({s.batch, s.in, s.side, s.side}), draw(shape), draw({s.out}), draw({s.out})};
  if (end.add) inputs.push_back(draw({s.batch, s.out, side, side}));
  return {inputs,
          [=](const Tensors& x) {
            const auto y = at::conv2d(x[0], x[1], {}, s.stride, s.padding);
            auto z = at::batch_norm(y, x[2], x[3], {}, {}, true, 0.1, kEpsilon, false);
            if (end.add) z = z + skip(x);
            if (end.relu) z = at::relu(z);
            return join(z, end.pool ? at::max_pool2d(z, 2) : at::Tensor());
          },
          [=](const Tensors& x, const Tensors& dot, const at::Tensor& bar, const at::Tensor& bar_dot) -> Sweeps {
            const auto own = [](const Tensors& all) { return Tensors{all[1].contiguous(), all[2], all[3]}; };
            const auto [theta, theta_dot] = std::pair{own(x), own(dot)};
            const auto [g, g_dot] = std::pair{own(zeros(x)), own(zeros(x))};
            const auto unit = backends::cpu::make_conv_unit({geometry,
                                                             end,
                                                             conv,
                                                             {1, 2, 0, 1},
                                                             /*input=*/true,
                                                             backends::Sweeps::kProduct,
                                                             {&single_process(), s.batch}},
                                                            x[0].scalar_type());
            const auto z = unit->forward({x[0], skip(x)}, theta, nullptr);
            const auto input_bar = unit->backward(split(bar), g);
            const auto z_dot = unit->tangent({dot[0], skip(dot)}, theta_dot);
            const auto input_bar_dot = unit->tangent_backward(split(bar_dot), g_dot);
            return {join(z[0], z[1]), list(input_bar, g), join(z_dot[0], z_dot[1]), list(input_bar_dot, g_dot)};
          }};
}

// The forms: F(4×4); 2×2 for maps of that size; and patches, without a transform, for few channels and for strides. A
// unit of many weights takes the products of all images, one after the other.
TEST_CASE("unit") {
  check_sweeps([](const Shape& s) { return unit(s, {}); },
               {{2, 9, 19, 7, 3, 1, 1}, {2, 3, 19, 9, 3, 1, 1}, {3, 17, 20, 9, 1, 2}, {2, 10, 12, 8, 1, 2}});
}

TEST_CASE("unit with relu") {
  check_sweeps([](const Shape& s) { return unit(s, {.add = false, .relu = true, .pool = false}); },
               {{3, 17, 18, 4, 3, 1, 1}, {3, 9, 18, 2, 3, 1, 1}, {2, 3, 17, 15, 7, 2, 3}});
}

TEST_CASE("unit with max-pool") {
  check_sweeps([](const Shape& s) { return unit(s, {.add = false, .relu = true, .pool = true}); },
               {{2, 16, 32, 10, 3, 1, 1}, {4, 16, 33, 2, 3, 1, 1}, {2, 3, 16, 8, 3, 1, 1}, {3, 256, 200, 2, 3, 1, 1}});
}

TEST_CASE("unit with residual") {
  check_sweeps([](const Shape& s) { return unit(s, {.add = true, .relu = true, .pool = false}); },
               {{2, 18, 19, 6, 3, 1, 1}, {2, 18, 19, 10, 3, 2, 1}, {2, 20, 9, 5, 1, 1}, {2, 96, 130, 6, 3, 1, 1}});
}

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::test
