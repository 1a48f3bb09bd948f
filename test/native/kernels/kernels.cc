// Checks the parts of the CPU's kernels, each alone. `kernels` prints one JSON object:
//   loops: for each instruction set that this machine runs, the worst error of ⟨A x, y⟩ = ⟨x, Aᵀ y⟩ over transforms and
//          their adjoints; the worst distance of any loop's result from baseline's; and whether maps that are written
//          past the caches are the same maps
//   gemm:  for each library that is loaded, and for the loops' own, the worst error of a product, and whether one over
//          nothing is zero
#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "native/backends/cpu/gemm.h"
#include "native/backends/cpu/loops.h"
#include "native/core/threads.h"
#include "test/native/kernels/passes.h"

namespace l2t::backends::cpu {
namespace {

template <class T>
at::Tensor draw(at::IntArrayRef shape) {
  return at::randn(shape, at::kDouble).to(at::CppTypeToScalarType<T>::value);
}

double product(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) * b.to(at::kDouble)).sum().item<double>();
}

const char* json(bool value) { return value ? "true" : "false"; }

double distance(const at::Tensor& got, const at::Tensor& want) {
  const auto wanted = want.to(at::kDouble);
  return (got.to(at::kDouble) - wanted).norm().item<double>() / wanted.norm().item<double>();
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
    results.push_back({transposed, distance(transposed.transpose(1, 2), made)});
  }
  return results;
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

template <class T>
bool same_past(const Loops<T>& loops) {
  const auto by_caches = maps(loops, false);
  const auto past = maps(loops, true);
  return std::equal(by_caches.begin(), by_caches.end(), past.begin(), past.end(),
                    [](const auto& a, const auto& b) { return at::equal(a, b); });
}

template <class T>
void print_loops(const char* name, const char* type) {
  const auto* const loops = loops_named<T>(name);
  if (loops == nullptr) return;
  double adjoint = 0;
  double difference = 0;
  for (const auto& [form, side] : {std::pair{Form::kFourByFour, 7}, {Form::kTwoByTwo, 2}, {Form::kPatches, 3}}) {
    const auto results = transforms(*loops, form, side);
    const auto plain = transforms(*loops_named<T>("baseline"), form, side);
    for (size_t i = 0; i < results.size(); ++i) {
      adjoint = std::max(adjoint, results[i].adjoint);
      difference = std::max(difference, distance(results[i].y, plain[i].y));
    }
  }
  const auto results = passes(*loops);
  const auto plain = passes(*loops_named<T>("baseline"));
  for (size_t i = 0; i < results.size(); ++i) difference = std::max(difference, distance(results[i], plain[i]));
  std::printf("{\"set\":\"%s\",\"type\":\"%s\",\"adjoint\":%g,\"difference\":%g,\"samePast\":%s},", name, type, adjoint,
              difference, json(same_past(*loops)));
}

/// The error of a product, over operands as they are or transposed (`kinds`: bit 0 for a, bit 2 for b), added up or not
/// (bit 1).
template <class T>
double error_of(Gemm<T> gemm, int kinds, int64_t columns) {
  constexpr int64_t kRows = 13;
  constexpr int64_t kInner = 34;
  double worst = 0;
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
    worst = std::max(worst, distance(c.narrow(1, 0, columns), want));
  }
  return worst;
}

/// Whether a product over nothing clears C, or leaves it where it is added up.
template <class T>
bool is_empty_sum(Gemm<T> gemm) {
  constexpr int64_t kRows = 13;
  constexpr int64_t kColumns = 21;
  bool right = true;
  for (const bool accumulate : {false, true}) {
    auto c = draw<T>({kRows, kColumns + 1});
    auto want = c.clone();
    if (!accumulate) want.narrow(1, 0, kColumns).zero_();
    gemm(kRows, kColumns, 0, {nullptr, kRows, true}, {nullptr, kColumns}, accumulate, c.template data_ptr<T>(),
         c.size(1));
    right &= at::equal(c, want);
  }
  return right;
}

template <class T>
void print_gemm(const char* name, GemmLibrary library, const char* type) {
  const auto gemm = gemm_of<T>(library);
  if (gemm == nullptr) return;
  std::printf("{\"library\":\"%s\",\"type\":\"%s\",\"error\":%g,\"emptySum\":%s},", name, type,
              error_of<T>(gemm, 8, 21), json(is_empty_sum<T>(gemm)));
}

/// The loops' own product, which takes no transposed b: columns for several whole vectors, for one, and for a part.
template <class T>
void print_own(const char* set, const char* type) {
  const auto* const loops = loops_named<T>(set);
  if (loops == nullptr) return;
  double worst = 0;
  for (const int64_t columns : {3, 21, 150}) worst = std::max(worst, error_of<T>(loops->product, 4, columns));
  std::printf("{\"library\":\"own, %s\",\"type\":\"%s\",\"error\":%g,\"emptySum\":%s},", set, type, worst,
              json(is_empty_sum<T>(loops->product)));
}

}  // namespace
}  // namespace l2t::backends::cpu

int main() {
  using namespace l2t::backends::cpu;
  l2t::set_threads(1);
  std::printf("{\"loops\":[");
  for (const char* name : {"avx512", "avx2", "baseline"}) {
    print_loops<float>(name, "float32");
    print_loops<double>(name, "float64");
  }
  std::printf("null],\"gemm\":[");
  for (const auto& [name, library] : {std::pair{"oneDNN", GemmLibrary::kOneDnn},
                                      {"BLAS", GemmLibrary::kBlas},
                                      {"LibTorch", GemmLibrary::kLibTorch}}) {
    print_gemm<float>(name, library, "float32");
    print_gemm<double>(name, library, "float64");
  }
  for (const char* name : {"avx512", "avx2", "baseline"}) {
    print_own<float>(name, "float32");
    print_own<double>(name, "float64");
  }
  std::printf("null]}\n");
  return 0;
}
