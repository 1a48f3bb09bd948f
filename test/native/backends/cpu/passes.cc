#include "test/native/backends/cpu/passes.h"

#include <ATen/ATen.h>

#include "native/backends/cpu/gram_sources.h"

namespace l2t::backends::cpu {
namespace {

constexpr int64_t kImages = 2;
constexpr int64_t kSide = 6;
constexpr int64_t kChannels = 19;

/// Makes the loops' arguments, and keeps them.
template <class T>
class Arguments {
 public:
  /// Returns a pointer to a random tensor to read.
  template <class V = T>
  const V* drawn(at::IntArrayRef shape) {
    return keep(at::randn(shape, at::kDouble).to(at::CppTypeToScalarType<V>::value)).template const_data_ptr<V>();
  }
  /// Returns a pointer to a result to add to.
  template <class V = T>
  V* result(at::IntArrayRef shape) {
    results_.push_back(at::randn(shape, at::kDouble).to(at::CppTypeToScalarType<V>::value));
    return results_.back().template data_ptr<V>();
  }
  [[nodiscard]] const std::vector<at::Tensor>& results() const { return results_; }

 private:
  const at::Tensor& keep(at::Tensor tensor) { return kept_.emplace_back(std::move(tensor)); }

  std::vector<at::Tensor> kept_;
  std::vector<at::Tensor> results_;
};

template <class T>
Affine<T> affine_map(Arguments<T>& arguments, int terms) {
  Affine<T> made{terms, {}, {}, arguments.drawn({kChannels})};
  for (int k = 0; k < terms; ++k) {
    made.map[k] = arguments.drawn({kImages, kSide, kSide, kChannels});
    made.slope[k] = arguments.drawn({kChannels});
  }
  return made;
}

template <class T>
void over_maps(const Loops<T>& loops, Arguments<T>& arguments) {
  const std::vector<int64_t> map{kImages, kSide, kSide, kChannels};
  const std::vector<int64_t> pooled{kImages, kSide / 2, kSide / 2, kChannels};
  const std::vector<int64_t> sums{kImages, 3, kChannels};
  const Geometry geometry{Form::kFourByFour, kImages, kSide, kChannels};
  const Images all{0, kImages};
  const auto z = affine_map(arguments, 1);
  const auto* const u = arguments.drawn(map);
  const auto* const v = arguments.drawn(map);
  const auto* const v_with = arguments.drawn(map);
  for (const auto gate : {Gate::kNone, Gate::kRelu, Gate::kMask}) {
    const auto from = affine_map(arguments, 1 + static_cast<int>(gate));
    loops.affine(kChannels, 0, kImages * geometry.places(), from, gate, z, arguments.result(map), /*past=*/false);
    auto* const y = arguments.result(map);
    loops.pooled_affine(geometry, all, from, gate, z, y, arguments.result(pooled), /*past=*/false);
  }
  for (const auto* const more : {v, static_cast<const T*>(nullptr)}) {
    auto* const y = arguments.result(map);
    loops.masked_sums(geometry, all, y, z, u, more, v_with, arguments.template result<double>(sums));
  }
  for (const bool seeded : {false, true}) {
    auto* const y = arguments.result(map);
    loops.pooled_sums(geometry, all, seeded, y, arguments.drawn(pooled), z, u, v, v_with,
                      arguments.template result<double>(sums));
  }
}

template <class T>
void directly(const Loops<T>& loops, Arguments<T>& arguments) {
  constexpr int64_t kPlaces = kSide * kSide;
  const std::vector<int64_t> map{kImages * kPlaces, kChannels};
  // It begins and ends within an image.
  const MatchedRows rows{kChannels, kPlaces, 5, kImages * kPlaces - 3};
  const MatchedWith<T> with{arguments.drawn({kImages, kChannels}), arguments.drawn(map), T{2} / kPlaces};
  const auto* const bias = arguments.drawn({kChannels});
  auto* const d = arguments.result(map);
  auto* const loss = arguments.template result<double>({1});
  loops.matching(rows, with, bias, d, loss, arguments.template result<double>({kChannels}));
  auto* const again = arguments.result(map);
  auto* const d_dot = arguments.result(map);
  auto* const e_dot = arguments.template result<double>({kImages, kChannels});
  loops.matching_tangent(rows, with, bias, arguments.drawn({kChannels}), again, d_dot, e_dot,
                         arguments.template result<double>({kChannels}));
}

template <class T>
void by_gram(const GramLoops<T>& loops, Arguments<T>& arguments) {
  constexpr int64_t kInner = 21;
  constexpr int64_t kPlaces = kSide * kSide;
  constexpr int64_t kSmall = 4;
  const std::vector<int64_t> matrix{kChannels, kInner};
  const std::vector<int64_t> places{kPlaces, kInner};
  const std::vector<int64_t> small{kSmall * kSmall, kInner};
  const Resize<T> resize(kSmall, kSide);
  std::vector<T> rows(2 * kSide * kInner);
  loops.enlarge(resize.axis(), kInner, arguments.drawn(small), rows.data(), arguments.result(places));
  loops.enlarge_adjoint(resize.axis(), kInner, arguments.drawn(places), rows.data(), arguments.result(small));
  loops.column_sums(kInner, kPlaces, arguments.drawn(places), arguments.template result<double>({kInner}));
  loops.add_to_rows(kInner, kPlaces, arguments.template drawn<double>({kInner}), arguments.result(places));

  const GramRows<T> of{kChannels,
                       kInner,
                       kPlaces,
                       T{2} / kPlaces,
                       arguments.drawn({kChannels}),
                       arguments.drawn(matrix),
                       arguments.drawn({kChannels}),
                       arguments.template drawn<double>({kInner}),
                       arguments.drawn({kInner}),
                       arguments.template drawn<double>({kChannels})};
  const auto sweep = [&] {
    return GramSweep<T>{arguments.result(matrix), arguments.result(matrix),
                        arguments.template result<double>({kChannels}), arguments.template result<double>({kInner})};
  };
  loops.gradient(of, arguments.drawn(matrix), arguments.drawn(matrix), arguments.template drawn<double>({kChannels}),
                 sweep(), arguments.result(matrix), arguments.template result<double>({kChannels}),
                 arguments.template result<double>({1}));
  GramDot<T> dot{arguments.drawn(matrix),   arguments.drawn({kChannels}), arguments.template drawn<double>({kInner}),
                 arguments.drawn({kInner}), arguments.drawn(matrix),      nullptr,
                 arguments.drawn(matrix)};
  for (const auto* const w_dot_g : {arguments.drawn(matrix), static_cast<const T*>(nullptr)}) {
    dot.w_dot_g = w_dot_g;
    loops.tangent(of, dot, arguments.drawn(matrix), arguments.template drawn<double>({kChannels}), sweep(),
                  arguments.template result<double>({kChannels}));
  }
}

}  // namespace

template <class T>
std::vector<at::Tensor> passes(const Loops<T>& loops) {
  at::manual_seed(7);
  Arguments<T> arguments;
  over_maps(loops, arguments);
  directly(loops, arguments);
  by_gram(loops.gram, arguments);
  return arguments.results();
}

template std::vector<at::Tensor> passes(const Loops<float>& loops);
template std::vector<at::Tensor> passes(const Loops<double>& loops);

}  // namespace l2t::backends::cpu
