#include "native/backends/cpu/matching_gram.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "native/backends/cpu/gemm.h"
#include "native/backends/cpu/gram_sources.h"
#include "native/backends/cpu/loops.h"
#include "native/backends/unit.h"

namespace l2t::backends::cpu {
namespace {

/// The batch's part.
template <class T>
struct GramBatch {
  GramSources<T> sources;
  at::Tensor coefficient;
  int64_t images;
  int64_t side;
  int64_t inner;  // C_n

  [[nodiscard]] int64_t places() const { return side * side; }
  [[nodiscard]] int64_t channels() const { return sources.channels; }
  /// Elements of W, and of E of an image.
  [[nodiscard]] int64_t matrix() const { return channels() * inner; }
};

/// One thread's workspace: buffers that all of its images use, and its sums over them.
template <class T>
struct Scratch {
  T* first;  // C × C_n, as the next three
  T* second;
  T* third;
  T* scaled;  // −κ W or −κ Ẇ
  T* square;  // C_n × C_n
  T* small;   // P, or S κ W: hw × C_n, of the largest source that is smaller than t
  T* rows;    // 2 · H · C_n
  T* w_bar;   // C × C_n
  double* b_bar;
  double* v;    // C_n
  T* m_narrow;  // C_n, as the next
  T* m_dot_narrow;
  double* m_dot;  // C_n
  double loss;
};

/// One thread's share of a sweep's memory, for all threads.
template <class T>
class Workplaces {
 public:
  /// `bars`: whether W̄ and b̄ are wanted.
  Workplaces(const GramBatch<T>& batch, const at::TensorOptions& options, bool bars) {
    const int64_t inner = batch.inner;
    int64_t small = 0;
    for (const auto& size : batch.sources.sizes) {
      if (!size.resize.same()) small = std::max(small, size.resize.from() * size.resize.from() * inner);
    }
    const int64_t threads = at::get_num_threads();
    if (bars) w_bars_ = at::zeros({threads, batch.channels(), inner}, options);
    // The last 64 keep threads on separate lines of the cache.
    const int64_t values = 4 * batch.matrix() + inner * inner + small + 2 * batch.side * inner + 2 * inner + 64;
    values_ = at::empty({threads, values}, options);
    doubles_ = at::zeros({threads, batch.channels() + 2 * inner + 8}, options.dtype(at::kDouble));
    for (int64_t thread = 0; thread < threads; ++thread) {
      T* next = values_.template data_ptr<T>() + thread * values;
      const auto take = [&](int64_t count) { return std::exchange(next, next + count); };
      double* const sums = doubles_.template data_ptr<double>() + thread * doubles_.size(1);
      Scratch<T> scratch{};
      scratch.first = take(batch.matrix());
      scratch.second = take(batch.matrix());
      scratch.third = take(batch.matrix());
      scratch.scaled = take(batch.matrix());
      scratch.square = take(inner * inner);
      scratch.small = take(small);
      scratch.rows = take(2 * batch.side * inner);
      scratch.m_narrow = take(inner);
      scratch.m_dot_narrow = take(inner);
      scratch.w_bar = bars ? w_bars_.template data_ptr<T>() + thread * batch.matrix() : nullptr;
      scratch.b_bar = sums;
      scratch.v = sums + batch.channels();
      scratch.m_dot = scratch.v + inner;
      threads_.push_back(scratch);
    }
  }

  [[nodiscard]] Scratch<T>& of_thread() { return threads_[at::get_thread_num()]; }

  [[nodiscard]] double loss() const {
    return std::accumulate(threads_.begin(), threads_.end(), 0.0,
                           [](double sum, const auto& thread) { return sum + thread.loss; });
  }

  /// W̄ and b̄ over all threads.
  [[nodiscard]] Pointwise bar(const at::Tensor& weight, const at::Tensor& bias) const {
    const auto biases = doubles_.narrow(1, 0, bias.size(0)).sum(0);
    return {w_bars_.sum(0).view_as(weight), biases.to(bias.scalar_type())};
  }

 private:
  at::Tensor w_bars_;
  at::Tensor values_;
  at::Tensor doubles_;
  std::vector<Scratch<T>> threads_;
};

template <class T>
class GramPoint final : public MatchingPoint {
 public:
  GramPoint(const GramBatch<T>& batch, const at::Tensor& t, const Pointwise& branches)
      : batch_(batch),
        t_(channels_last(t)),
        weight_(branches.weight.contiguous()),
        bias_(branches.bias.contiguous()),
        gram_(at::empty({batch.images, batch.inner, batch.inner}, t_.options())),
        w_w_(at::empty_like(gram_)),
        e_(at::empty({batch.images, batch.channels(), batch.inner}, t_.options())),
        e_0_(batch.images * batch.channels()),
        m_(batch.images * batch.inner) {}

  MatchingSweep gradient() override {
    Workplaces<T> workplaces(batch_, options(), /*bars=*/true);
    auto t_bar = at::empty_like(t_);
    at::parallel_for(0, batch_.images, 1, [&](int64_t begin, int64_t end) {
      auto& scratch = workplaces.of_thread();
      for (int64_t image = begin; image < end; ++image) gradient_of(image, scratch, of(t_bar, image));
    });
    auto value = at::empty({}, options());
    *value.template data_ptr<T>() = static_cast<T>(workplaces.loss() / places());  // may overflow: the run must notice
    return {std::move(value), std::move(t_bar), workplaces.bar(weight_, bias_)};
  }

  MatchingSweep tangent(const at::Tensor& t_dot_map, const Pointwise& branches_dot, bool product) override {
    const auto t_dot = channels_last(t_dot_map);
    const Pointwise dot{branches_dot.weight.contiguous(), branches_dot.bias.contiguous()};
    Workplaces<T> workplaces(batch_, options(), product);
    std::vector<double> e_dots(batch_.images * batch_.channels());
    auto t_bar_dot = product ? at::empty_like(t_) : at::Tensor();
    at::parallel_for(0, batch_.images, 1, [&](int64_t begin, int64_t end) {
      auto& scratch = workplaces.of_thread();
      for (int64_t image = begin; image < end; ++image) {
        tangent_of(image, scratch, of(t_dot, image), dot, product, e_dots.data() + image * batch_.channels());
        if (product) t_bar_dot_of(image, scratch, of(t_dot, image), of(t_bar_dot, image));
      }
    });
    auto e_dot = at::empty({batch_.images, batch_.channels()}, options());
    std::transform(e_dots.begin(), e_dots.end(), e_dot.template data_ptr<T>(),
                   [](double value) { return static_cast<T>(value); });
    return {std::move(e_dot), std::move(t_bar_dot), product ? workplaces.bar(weight_, bias_) : Pointwise{}};
  }

 private:
  void gradient_of(int64_t image, Scratch<T>& scratch, T* t_bar) {
    const int64_t inner = batch_.inner;
    const T* const t = of(t_, image);
    T* const gram = of(gram_, image);
    T* const w_w = of(w_w_, image);
    loops_.column_sums(inner, batch_.places(), t, m_.data() + image * inner);
    std::copy_n(m_.data() + image * inner, inner, scratch.m_narrow);
    gemm_(inner, inner, batch_.places(), {t, inner, true}, {t, inner}, false, gram, inner);
    products_with_sources(image, t, scratch, scratch.second);
    gemm_(batch_.channels(), inner, inner, {weight(), inner}, {gram, inner}, false, scratch.first, inner);
    std::fill_n(scratch.v, inner, 0.0);
    loops_.gradient(
        rows(image, scratch), scratch.first, scratch.second, batch_.sources.u.data() + image * batch_.channels(),
        {scratch.scaled, scratch.w_bar, scratch.b_bar, scratch.v}, of(e_, image), e_0(image), &scratch.loss);
    gemm_(inner, inner, batch_.channels(), {weight(), inner, true}, {scratch.scaled, inner}, false, w_w, inner);
    std::transform(w_w, w_w + inner * inner, w_w, std::negate<>());
    gemm_(batch_.places(), inner, inner, {t, inner}, {w_w, inner}, false, t_bar, inner);
    add_from_sources(image, scratch, t_bar);
  }

  /// ė and, where `product`, W̄̇, b̄̇, v̇ and −κ Ẇ.
  void tangent_of(int64_t image, Scratch<T>& scratch, const T* t_dot, const Pointwise& dot, bool product,
                  double* e_dot) {
    const int64_t inner = batch_.inner;
    const T* const weight_dot = dot.weight.template const_data_ptr<T>();
    loops_.column_sums(inner, batch_.places(), t_dot, scratch.m_dot);
    std::copy_n(scratch.m_dot, inner, scratch.m_dot_narrow);
    std::copy_n(m_.data() + image * inner, inner, scratch.m_narrow);
    gemm_(inner, inner, batch_.places(), {t_dot, inner, true}, {of(t_, image), inner}, false, scratch.square, inner);
    add_transpose(scratch.square);
    products_with_sources(image, t_dot, scratch, scratch.second);
    gemm_(batch_.channels(), inner, inner, {weight(), inner}, {scratch.square, inner}, false, scratch.first, inner);
    if (product) {
      gemm_(batch_.channels(), inner, inner, {weight_dot, inner}, {of(gram_, image), inner}, false, scratch.third,
            inner);
    }
    std::fill_n(scratch.v, inner, 0.0);
    const GramDot<T> dots{weight_dot,    dot.bias.template const_data_ptr<T>(), scratch.m_dot, scratch.m_dot_narrow,
                          scratch.first, product ? scratch.third : nullptr,     scratch.second};
    loops_.tangent(rows(image, scratch), dots, of(e_, image), e_0(image),
                   {scratch.scaled, scratch.w_bar, scratch.b_bar, scratch.v}, e_dot);
  }

  void t_bar_dot_of(int64_t image, Scratch<T>& scratch, const T* t_dot, T* t_bar_dot) {
    const int64_t inner = batch_.inner;
    gemm_(inner, inner, batch_.channels(), {weight(), inner, true}, {scratch.scaled, inner}, false, scratch.square,
          inner);
    add_transpose(scratch.square);
    std::transform(scratch.square, scratch.square + inner * inner, scratch.square, std::negate<>());
    gemm_(batch_.places(), inner, inner, {t_dot, inner}, {of(w_w_, image), inner}, false, t_bar_dot, inner);
    gemm_(batch_.places(), inner, inner, {of(t_, image), inner}, {scratch.square, inner}, true, t_bar_dot, inner);
    add_from_sources(image, scratch, t_bar_dot);
  }

  /// Q = Sᵀ Uᵀ t of all sources.
  void products_with_sources(int64_t image, const T* t, Scratch<T>& scratch, T* q) const {
    const int64_t inner = batch_.inner;
    for (const auto& size : batch_.sources.sizes) {
      const int64_t places = size.resize.from() * size.resize.from();
      const T* p = t;
      if (!size.resize.same()) {
        loops_.enlarge_adjoint(size.resize.axis(), inner, t, scratch.rows, scratch.small);
        p = scratch.small;
      }
      for (const auto& source : size.sources) {
        const int64_t channels = source.channels();
        gemm_(channels, inner, places, {of(source.map, image), channels, true}, {p, inner}, false,
              q + source.begin * inner, inner);
      }
    }
  }

  /// t̄ += 1 vᵀ + U S times `scaled`, of all sources. The weights of a resize sum to 1, so U 1 = 1: v is added to the
  /// smallest map that is resized, where there is one.
  void add_from_sources(int64_t image, Scratch<T>& scratch, T* t_bar) const {
    const int64_t inner = batch_.inner;
    bool v_added = false;
    for (const auto& size : batch_.sources.sizes) {
      const int64_t places = size.resize.from() * size.resize.from();
      bool add = size.resize.same();
      T* const to = add ? t_bar : scratch.small;
      for (const auto& source : size.sources) {
        const int64_t channels = source.channels();
        gemm_(places, inner, channels, {of(source.map, image), channels},
              {scratch.scaled + source.begin * inner, inner}, std::exchange(add, true), to, inner);
      }
      if (!std::exchange(v_added, true)) loops_.add_to_rows(inner, places, scratch.v, to);
      if (to == scratch.small) loops_.enlarge(size.resize.axis(), inner, scratch.small, scratch.rows, t_bar);
    }
  }

  /// A ← A + Aᵀ, C_n × C_n.
  void add_transpose(T* a) const {
    const int64_t inner = batch_.inner;
    for (int64_t i = 0; i < inner; ++i) {
      for (int64_t j = 0; j <= i; ++j) a[i * inner + j] = a[j * inner + i] = a[i * inner + j] + a[j * inner + i];
    }
  }

  [[nodiscard]] GramRows<T> rows(int64_t image, const Scratch<T>& scratch) const {
    return {batch_.channels(),
            batch_.inner,
            places(),
            static_cast<T>(2 / places()),
            of(batch_.coefficient, image),
            weight(),
            bias_.template const_data_ptr<T>(),
            m_.data() + image * batch_.inner,
            scratch.m_narrow,
            batch_.sources.p_s.data() + image * batch_.channels()};
  }

  /// An image's part of a tensor.
  [[nodiscard]] static const T* of(const at::Tensor& all, int64_t image) {
    return all.template const_data_ptr<T>() + image * (all.numel() / all.size(0));
  }
  [[nodiscard]] static T* of(at::Tensor& all, int64_t image) {
    return all.template data_ptr<T>() + image * (all.numel() / all.size(0));
  }
  [[nodiscard]] const T* weight() const { return weight_.template const_data_ptr<T>(); }
  [[nodiscard]] double* e_0(int64_t image) { return e_0_.data() + image * batch_.channels(); }
  [[nodiscard]] double places() const { return static_cast<double>(batch_.places()); }
  [[nodiscard]] at::TensorOptions options() const { return t_.options().memory_format({}); }

  const GramLoops<T>& loops_ = loops<T>().gram;
  const Gemm<T> gemm_ = cpu::gemm<T>();
  const GramBatch<T>& batch_;
  at::Tensor t_;
  at::Tensor weight_;
  at::Tensor bias_;
  // Kept for each image:
  at::Tensor gram_;          // G
  at::Tensor w_w_;           // Wᵀ κ W
  at::Tensor e_;             // E, C × C_n
  std::vector<double> e_0_;  // ε
  std::vector<double> m_;
};

template <class T>
class GramMap final : public MatchedMap {
 public:
  GramMap(const std::vector<at::Tensor>& sources, const at::Tensor& coefficient, const at::Tensor& t)
      : batch_{{sources, t.size(2)}, coefficient.contiguous(), t.size(0), t.size(2), t.size(1)} {}

  [[nodiscard]] std::unique_ptr<MatchingPoint> at(const at::Tensor& t, const Pointwise& branches) const override {
    return std::make_unique<GramPoint<T>>(batch_, t, branches);
  }

 private:
  GramBatch<T> batch_;
};

}  // namespace

std::unique_ptr<MatchedMap> gram_matching(const std::vector<at::Tensor>& sources, const at::Tensor& coefficient,
                                          const at::Tensor& t) {
  if (t.scalar_type() == at::kFloat) return std::make_unique<GramMap<float>>(sources, coefficient, t);
  return std::make_unique<GramMap<double>>(sources, coefficient, t);
}

bool gram_is_cheaper(const std::vector<at::Tensor>& sources, const at::Tensor& t) {
  const int64_t inner = t.size(1);
  const int64_t places = t.size(2) * t.size(3);
  int64_t channels = 0;
  int64_t with_sources = 0;
  for (const auto& source : sources) {
    channels += source.size(1);
    with_sources += source.size(1) * std::min(source.size(2) * source.size(3), places);
  }
  const int64_t by_gram = 5 * inner * inner * (places + channels) + 4 * inner * with_sources;
  const int64_t directly = 10 * inner * channels * places;
  // The Gram form has smaller products and more passes: an operation of it takes up to 1.4 times as long.
  return 7 * by_gram < 5 * directly;
}

}  // namespace l2t::backends::cpu
