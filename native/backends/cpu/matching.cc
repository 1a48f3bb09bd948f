#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "native/backends/cpu/backend.h"
#include "native/backends/cpu/gemm.h"
#include "native/backends/cpu/loops.h"
#include "native/backends/cpu/matching_gram.h"

namespace l2t::backends::cpu {
namespace {

/// Rows computed at a time: few enough that their results stay in the cache until they are used.
constexpr int64_t kRows = 256;

template <class T>
class Direct {
 public:
  Direct(const MatchingInputs& maps, const Pointwise& branches)
      : t_(channels_last(maps.t)),
        source_(channels_last(maps.source)),
        coefficient_(maps.coefficient.contiguous()),
        weight_(branches.weight.contiguous()),
        bias_(branches.bias.contiguous()),
        images_(t_.size(0)),
        places_(t_.size(2) * t_.size(3)),
        inner_(t_.size(1)),
        channels_(source_.size(1)),
        per_place_(1.0 / static_cast<double>(places_)),
        bars_(at::zeros({at::get_num_threads(), channels_, inner_}, t_.options())),
        bias_bars_(at::get_num_threads() * channels_) {}

  MatchingSweep gradient() {
    std::vector<double> losses(at::get_num_threads());
    auto t_bar = at::empty_like(t_);
    by_rows(1, [&](const MatchedRows& rows, int64_t thread, T* d) {
      const int64_t count = rows.end - rows.begin;
      times_transposed(count, t_, rows.begin, weight_, false, d);
      loops_.matching(rows, with(), bias_.template const_data_ptr<T>(), d, &losses[thread], bias_bar(thread));
      times(count, d, weight_, false, t_bar, rows.begin);
      add_product(count, d, t_, rows.begin, thread);
    });
    const double loss = std::accumulate(losses.begin(), losses.end(), 0.0) * per_place_;
    auto value = at::empty({}, t_.options());
    *value.template data_ptr<T>() = static_cast<T>(loss);  // may overflow: the run must notice
    return {std::move(value), std::move(t_bar), bar()};
  }

  MatchingSweep tangent(const at::Tensor& t_dot_map, const Pointwise& branches_dot, bool product) {
    const auto t_dot = channels_last(t_dot_map);
    const auto weight_dot = branches_dot.weight.contiguous();
    const auto bias_dot = branches_dot.bias.contiguous();
    std::vector<double> e_dots(images_ * channels_);
    auto t_bar_dot = product ? at::empty_like(t_) : at::Tensor();
    by_rows(2, [&](const MatchedRows& rows, int64_t thread, T* d) {
      const int64_t count = rows.end - rows.begin;
      T* const d_dot = d + kRows * channels_;
      times_transposed(count, t_, rows.begin, weight_, false, d);
      times_transposed(count, t_dot, rows.begin, weight_, false, d_dot);
      times_transposed(count, t_, rows.begin, weight_dot, true, d_dot);
      loops_.matching_tangent(rows, with(), bias_.template const_data_ptr<T>(), bias_dot.template const_data_ptr<T>(),
                              d, d_dot, e_dots.data(), bias_bar(thread));
      if (!product) return;
      times(count, d_dot, weight_, false, t_bar_dot, rows.begin);
      times(count, d, weight_dot, true, t_bar_dot, rows.begin);
      add_product(count, d_dot, t_, rows.begin, thread);
      add_product(count, d, t_dot, rows.begin, thread);
    });
    auto e_dot = at::empty({images_, channels_}, t_.options());
    std::transform(e_dots.begin(), e_dots.end(), e_dot.template data_ptr<T>(),
                   [](double value) { return static_cast<T>(value); });
    return {std::move(e_dot), std::move(t_bar_dot), product ? bar() : Pointwise{}};
  }

 private:
  [[nodiscard]] MatchedWith<T> with() const {
    return {coefficient_.template const_data_ptr<T>(), source_.template const_data_ptr<T>(),
            static_cast<T>(2 * per_place_)};
  }

  [[nodiscard]] double* bias_bar(int64_t thread) { return bias_bars_.data() + thread * channels_; }

  /// Calls body(rows, thread, scratch of `maps` × kRows × C); one thread gets all rows of an image.
  template <class Body>
  void by_rows(int64_t maps, const Body& body) const {
    const auto scratch = at::empty({at::get_num_threads(), maps * kRows * channels_}, t_.options());
    at::parallel_for(0, images_, 1, [&](int64_t first, int64_t last) {
      const int64_t thread = at::get_thread_num();
      T* const own = scratch.template data_ptr<T>() + thread * scratch.size(1);
      for (int64_t begin = first * places_; begin < last * places_; begin += kRows) {
        body(MatchedRows{channels_, places_, begin, std::min(begin + kRows, last * places_)}, thread, own);
      }
    });
  }

  /// d ← rows of t times wᵀ.
  void times_transposed(int64_t count, const at::Tensor& t, int64_t row, const at::Tensor& w, bool accumulate,
                        T* d) const {
    gemm_(count, channels_, inner_, {t.const_data_ptr<T>() + row * inner_, inner_},
          {w.const_data_ptr<T>(), inner_, /*transposed=*/true}, accumulate, d, channels_);
  }

  /// Rows of t ← d times w.
  void times(int64_t count, const T* d, const at::Tensor& w, bool accumulate, const at::Tensor& t, int64_t row) const {
    gemm_(count, inner_, channels_, {d, channels_}, {w.const_data_ptr<T>(), inner_}, accumulate,
          t.data_ptr<T>() + row * inner_, inner_);
  }

  /// This thread's W̄ += dᵀ times rows of t.
  void add_product(int64_t count, const T* d, const at::Tensor& t, int64_t row, int64_t thread) const {
    gemm_(channels_, inner_, count, {d, channels_, /*transposed=*/true}, {t.const_data_ptr<T>() + row * inner_, inner_},
          /*accumulate=*/true, bars_.template data_ptr<T>() + thread * channels_ * inner_, inner_);
  }

  /// W̄ and b̄, summed over all threads.
  [[nodiscard]] Pointwise bar() const {
    auto bias = at::empty_like(bias_);
    for (int64_t c = 0; c < channels_; ++c) {
      double sum = 0;
      for (int64_t thread = 0; thread < bars_.size(0); ++thread) sum += bias_bars_[thread * channels_ + c];
      bias.template data_ptr<T>()[c] = static_cast<T>(sum);
    }
    return {bars_.sum(0).view_as(weight_), std::move(bias)};
  }

  const Loops<T>& loops_ = loops<T>();
  const Gemm<T> gemm_ = cpu::gemm<T>();
  at::Tensor t_;
  at::Tensor source_;
  at::Tensor coefficient_;
  at::Tensor weight_;
  at::Tensor bias_;
  int64_t images_;
  int64_t places_;
  int64_t inner_;
  int64_t channels_;
  double per_place_;
  at::Tensor bars_;  // threads × C × C_n
  std::vector<double> bias_bars_;
};

}  // namespace

std::unique_ptr<MatchedMap> Cpu::matched_map(const std::vector<at::Tensor>& sources, const at::Tensor& coefficient,
                                             const at::Tensor& t) const {
  return gram_is_cheaper(sources, t) ? gram_matching(sources, coefficient, t)
                                     : direct_matching(*this, sources, coefficient, t.size(2));
}

MatchingSweep Cpu::matching_gradient(const MatchingInputs& maps, const Pointwise& branches) const {
  return maps.t.scalar_type() == at::kFloat ? Direct<float>(maps, branches).gradient()
                                            : Direct<double>(maps, branches).gradient();
}

MatchingSweep Cpu::matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot, const Pointwise& branches,
                                    const Pointwise& branches_dot, bool product) const {
  return maps.t.scalar_type() == at::kFloat ? Direct<float>(maps, branches).tangent(t_dot, branches_dot, product)
                                            : Direct<double>(maps, branches).tangent(t_dot, branches_dot, product);
}

}  // namespace l2t::backends::cpu
