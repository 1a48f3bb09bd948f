#include <ATen/ATen.h>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "native/backends/cpu/gemm.h"
#include "native/backends/cpu/loops.h"
#include "test/native/backends/cpu/passes.h"
#include "test/native/check.h"
#include "test/native/sweeps.h"

/// The parts of the CPU's kernels, each alone.
namespace l2t::backends::cpu {
namespace {

using test::relative_error;

TEST_SUITE_BEGIN("kernels");

template <class T>
constexpr double kRounding = std::is_same_v<T, double> ? 1e-13 : 1e-5;

template <class T>
at::Tensor draw(at::IntArrayRef shape) {
  return at::randn(shape, at::kDouble).to(at::CppTypeToScalarType<T>::value);
}

double product(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) * b.to(at::kDouble)).sum().item<double>();
}

/// A transform's result on x, and the error of its adjoint.
struct Result {
  at::Tensor y;
  double adjoint;
};

Result against(const at::Tensor& x, const at::Tensor& y, const at::Tensor& weights, const at::Tensor& back) {
  return {y, std::abs(product(y, weights) - product(x, back)) / (y.norm() * weights.norm()).item<double>()};
}

/// Transforms of one form on an odd shape: input, output and weights.
template <class T>
std::vector<Result> transforms(const Loops<T>& loops, Form form, int64_t side) {
  at::manual_seed(3);
  constexpr int64_t kImages = 2;
  constexpr int64_t kOut = 5;
  const Geometry geometry{form, kImages, side, 19};
  const int64_t rows = kImages * geometry.rows();
  const int64_t width = geometry.columns();
  const auto frequencies = geometry.frequencies();
  const Strips all{0, kImages * geometry.tiles()};
  const auto map = draw<T>({kImages, side, side, geometry.channels});
  std::vector<Result> results;
  {
    const auto v = draw<T>({frequencies, rows, width});
    auto made = at::zeros_like(v);
    auto back = at::zeros_like(map);
    loops.input(geometry, all, map.template const_data_ptr<T>(), {made.template data_ptr<T>(), rows * width, 0});
    loops.input_adjoint(geometry, all, {v.template const_data_ptr<T>(), rows * width, 0}, back.template data_ptr<T>());
    results.push_back(against(map, made, v, back));
  }
  {
    const auto m = draw<T>({frequencies, rows, geometry.channels});
    auto made = at::zeros_like(map);
    auto back = at::zeros_like(m);
    const int64_t stride = rows * geometry.channels;
    std::vector<double> sums(kImages * 2 * geometry.channels);
    const auto ones = at::ones({geometry.channels}, m.options());
    const auto zeros = at::zeros({geometry.channels}, m.options());
    const Affine<T> same{
        1, {map.template const_data_ptr<T>()}, {ones.template const_data_ptr<T>()}, zeros.template const_data_ptr<T>()};
    loops.output(geometry, all, {m.template const_data_ptr<T>(), stride, 0}, made.template data_ptr<T>(), nullptr,
                 sums.data(), /*past=*/false);
    loops.output_adjoint(geometry, all, same, {back.template data_ptr<T>(), stride, 0});
    results.push_back(against(m, made, map, back));
  }
  {
    const auto w = draw<T>({kOut, geometry.channels, 3, 3});
    const auto u = draw<T>({frequencies, kOut, width});
    auto made = at::zeros_like(u);
    auto back = at::zeros_like(w);
    loops.weights(geometry, 0, kOut, w.template const_data_ptr<T>(), made.template data_ptr<T>(), kOut * width);
    loops.weights_adjoint(geometry, 0, kOut, u.template const_data_ptr<T>(), kOut * width, back.template data_ptr<T>());
    results.push_back(against(w, made, u, back));
    auto transposed = at::zeros({frequencies, width, kOut}, u.options());
    loops.weights_transposed(geometry, kOut, 0, geometry.channels, w.template const_data_ptr<T>(),
                             transposed.template data_ptr<T>(), kOut * width);
    results.push_back({transposed, relative_error(transposed.transpose(1, 2), made)});
  }
  return results;
}

template <class T>
std::vector<Result> all_transforms(const Loops<T>& loops) {
  std::vector<Result> all;
  for (const auto& [form, side] : {std::pair{Form::kFourByFour, 7}, {Form::kTwoByTwo, 2}, {Form::kPatches, 3}}) {
    for (const auto& result : transforms(loops, form, side)) all.push_back(result);
  }
  return all;
}

/// y of the loops that can write it past the caches.
template <class T>
std::vector<at::Tensor> maps(const Loops<T>& loops, bool past) {
  at::manual_seed(5);
  std::vector<at::Tensor> made;
  for (const auto form : {Form::kFourByFour, Form::kPatches}) {
    const Geometry geometry{form, /*images=*/2, /*side=*/6, /*channels=*/32};
    const int64_t width = geometry.channels;
    const int64_t rows = geometry.images * geometry.rows();
    const auto m = draw<T>({geometry.frequencies(), rows, width});
    const auto slope = draw<T>({width});
    const auto new_map = [&](int64_t side) {
      made.push_back(at::zeros({geometry.images, side, side, width}, m.options()));
      return made.back().template data_ptr<T>();
    };
    std::vector<double> sums(geometry.images * 2 * width);
    auto* const y = new_map(geometry.side);
    loops.output(geometry, {0, geometry.images * geometry.tiles()}, {m.template const_data_ptr<T>(), rows * width, 0},
                 y, nullptr, sums.data(), past);
    const Affine<T> of_y{1, {y}, {slope.template const_data_ptr<T>()}, slope.template const_data_ptr<T>()};
    loops.affine(width, 0, geometry.images * geometry.places(), of_y, Gate::kMask, of_y, new_map(geometry.side), past);
    auto* const z = new_map(geometry.side);
    loops.pooled_affine(geometry, {0, geometry.images}, of_y, Gate::kRelu, {}, z, new_map(geometry.side / 2), past);
  }
  return made;
}

/// Calls it with the loops of every instruction set that this machine runs, in both types. There are some for any
/// machine.
void each_set(auto&& check) {
  REQUIRE(loops_named<float>("baseline") != nullptr);
  REQUIRE(loops_named<double>("baseline") != nullptr);
  for (const char* name : {"avx512", "avx2", "baseline"}) {
    INFO(std::string(name));
    if (const auto* const loops = loops_named<float>(name)) check(*loops);
    if (const auto* const loops = loops_named<double>(name)) check(*loops);
  }
}

TEST_CASE("each adjoint is the transpose of its transform") {
  each_set([]<class T>(const Loops<T>& loops) {
    for (const auto& result : all_transforms(loops)) CHECK(result.adjoint < kRounding<T>);
  });
}

TEST_CASE("what each loop writes is what the plain set writes") {
  each_set([]<class T>(const Loops<T>& loops) {
    const auto& baseline = *loops_named<T>("baseline");
    const auto transformed = all_transforms(loops);
    const auto plain = all_transforms(baseline);
    for (size_t i = 0; i < plain.size(); ++i) CHECK(relative_error(transformed[i].y, plain[i].y) < kRounding<T>);
    const auto written = passes(loops);
    const auto by_plain = passes(baseline);
    for (size_t i = 0; i < by_plain.size(); ++i) CHECK(relative_error(written[i], by_plain[i]) < kRounding<T>);
  });
}

TEST_CASE("maps that are written past the caches are the same") {
  each_set([]<class T>(const Loops<T>& loops) {
    const auto by_caches = maps(loops, false);
    const auto past = maps(loops, true);
    for (size_t i = 0; i < past.size(); ++i) CHECK(at::equal(past[i], by_caches[i]));
  });
}

/// Multiplies operands as they are or transposed (`kinds`: bit 0 for a, bit 2 for b), added up or not (bit 1).
template <class T>
void check_products(Gemm<T> gemm, int kinds, int64_t columns) {
  constexpr int64_t kRows = 13;
  constexpr int64_t kInner = 34;
  at::manual_seed(1);
  for (int kind = 0; kind < kinds; ++kind) {
    const bool a_transposed = (kind & 1) != 0;
    const bool accumulate = (kind & 2) != 0;
    const bool b_transposed = (kind & 4) != 0;
    // Wider than needed, so that strides matter.
    const auto a = a_transposed ? draw<T>({kInner, kRows + 3}) : draw<T>({kRows, kInner + 3});
    const auto b = b_transposed ? draw<T>({columns, kInner + 2}) : draw<T>({kInner, columns + 2});
    auto c = draw<T>({kRows, columns + 1});
    const auto left = a_transposed ? a.narrow(1, 0, kRows).t() : a.narrow(1, 0, kInner);
    const auto right = b_transposed ? b.narrow(1, 0, kInner).t() : b.narrow(1, 0, columns);
    auto want = at::mm(left, right);
    if (accumulate) want = want + c.narrow(1, 0, columns);
    gemm(kRows, columns, kInner, {a.template const_data_ptr<T>(), a.size(1), a_transposed},
         {b.template const_data_ptr<T>(), b.size(1), b_transposed}, accumulate, c.template data_ptr<T>(), c.size(1));
    CAPTURE(kind);
    CHECK(relative_error(c.narrow(1, 0, columns), want) < kRounding<T>);
  }
}

/// A product over nothing clears C, or leaves it where it is added up.
template <class T>
void check_empty_product(Gemm<T> gemm) {
  constexpr int64_t kRows = 13;
  constexpr int64_t kColumns = 21;
  for (const bool accumulate : {false, true}) {
    auto c = draw<T>({kRows, kColumns + 1});
    auto want = c.clone();
    if (!accumulate) want.narrow(1, 0, kColumns).zero_();
    gemm(kRows, kColumns, 0, {nullptr, kRows, true}, {nullptr, kColumns}, accumulate, c.template data_ptr<T>(),
         c.size(1));
    CHECK(at::equal(c, want));
  }
}

template <class T>
void check_library(GemmLibrary library) {
  const auto gemm = gemm_of<T>(library);
  // LibTorch's own is always there.
  CHECK((gemm != nullptr || library != GemmLibrary::kLibTorch));
  if (gemm == nullptr) return;
  check_products<T>(gemm, 8, 21);
  check_empty_product<T>(gemm);
}

TEST_CASE("matrix products of every library that is loaded") {
  for (const auto& [name, library] : {std::pair{"oneDNN", GemmLibrary::kOneDnn},
                                      {"BLAS", GemmLibrary::kBlas},
                                      {"LibTorch", GemmLibrary::kLibTorch}}) {
    INFO(std::string(name));
    check_library<float>(library);
    check_library<double>(library);
  }
}

TEST_CASE("the loops' own matrix products") {
  each_set([]<class T>(const Loops<T>& loops) {
    // Columns for a part of a vector, for one vector, and for several. It takes no transposed b.
    for (const int64_t columns : {3, 21, 150}) check_products<T>(loops.product, 4, columns);
    check_empty_product<T>(loops.product);
  });
}

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::backends::cpu
