#include "native/backends/cpu/domain.h"

#include <algorithm>

#include "native/backends/cpu/form.h"
#include "native/backends/cpu/planes.h"

namespace l2t::backends::cpu {
namespace {

/// With at most this many rows or columns of W, the loops' own product is faster than a library's (bench/README.md).
constexpr int64_t kFewColumns = 64;

/// Elements of the longest vector of loops.
template <class T>
constexpr int64_t kLongestVector = 64 / sizeof(T);

/// Maps of this many bytes or more bypass the caches: they would be evicted before they are read again.
constexpr int64_t kLargeMap = int64_t{16} << 20;

template <class T>
const T* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}

/// Returns the map, or a copy, that can be written in place: channels last and not shared.
at::Tensor writable(at::Tensor map) {
  if (!map.is_contiguous(at::MemoryFormat::ChannelsLast)) return channels_last(map);
  return map.use_count() == 1 ? std::move(map) : map.clone();
}

/// Σ over images of sums (images × kinds × channels), by kind.
std::vector<Doubles> over_images(const Doubles& sums, int64_t images, int64_t kinds, int64_t channels) {
  std::vector<Doubles> totals(kinds, Doubles(channels));
  for (int64_t b = 0; b < images; ++b) {
    for (int64_t kind = 0; kind < kinds; ++kind) {
      for (int64_t c = 0; c < channels; ++c) totals[kind][c] += sums[(b * kinds + kind) * channels + c];
    }
  }
  return totals;
}

}  // namespace

template <class T>
AffineOf<T>::AffineOf(std::vector<at::Tensor> maps, int64_t channels)
    : maps_(std::move(maps)), values_(maps_.size() + 1, std::vector<T>(channels)) {}

template <class T>
void AffineOf<T>::set(int64_t channel, const Doubles& slopes, double constant) {
  size_t k = 0;
  for (const double slope : slopes) values_[k++][channel] = static_cast<T>(slope);
  values_[k][channel] = static_cast<T>(constant);
}

template <class T>
Affine<T> AffineOf<T>::get() const {
  Affine<T> affine{static_cast<int>(maps_.size()), {}, {}, maps_.empty() ? nullptr : values_.back().data()};
  for (size_t k = 0; k < maps_.size(); ++k) {
    affine.map[k] = maps_[k].template const_data_ptr<T>();
    affine.slope[k] = values_[k].data();
  }
  return affine;
}

template <class T>
const at::Tensor& Weights<T>::matrices() const {
  if (!matrices_.defined()) {
    matrices_ = empty_planes(x_.frequencies(), out_, x_.columns(), w_.options());
    parallel(out_, [&](int64_t begin, int64_t end) {
      loops<T>().weights(x_, begin, end, w_.const_data_ptr<T>(), matrices_.template data_ptr<T>(), matrices_.size(1));
    });
  }
  return matrices_;
}

template <class T>
const at::Tensor& Weights<T>::transposed() const {
  if (!transposed_.defined()) {
    transposed_ = empty_planes(x_.frequencies(), x_.columns(), out_, w_.options());
    parallel(x_.channels, [&](int64_t begin, int64_t end) {
      loops<T>().weights_transposed(x_, out_, begin, end, w_.const_data_ptr<T>(), transposed_.template data_ptr<T>(),
                                    transposed_.size(1));
    });
  }
  return transposed_;
}

template <class T>
Domain<T>::Domain(const Geometry& x, int64_t out, const at::TensorOptions& options)
    : loops_(loops<T>()),
      x_(x),
      y_{x.form, x.images, x.side, out},
      rows_(x.images * x.rows()),
      in_(x.columns()),
      out_(out),
      in_cache_(x.images >= at::get_num_threads() && few_weights(x, out)),
      small_(std::min(in_, out) <= kFewColumns),
      past_(out % kLongestVector<T> == 0 && x.images * y_.places() * out * int64_t{sizeof(T)} >= kLargeMap),
      options_(options) {}

template <class T>
at::Tensor Domain<T>::map(int64_t channels, int64_t side) const {
  return at::empty({x_.images, channels, side, side}, options_, at::MemoryFormat::ChannelsLast);
}

template <class T>
Rows<T> Domain<T>::rows(int64_t width, std::function<void(Strips, Planes<T>)> make) const {
  if (in_cache_) return {std::move(make), {}};
  auto all = empty_planes(x_.frequencies(), rows_, width, options_);
  const Planes<T> planes{all.template data_ptr<T>(), all.size(1), 0};
  parallel(x_.images * x_.tiles(), [&](int64_t begin, int64_t end) { make({begin, end}, planes); });
  return {{}, std::move(all)};
}

template <class T>
Rows<T> Domain<T>::input(const at::Tensor& x) const {
  return rows(in_, [this, map = channels_last(x)](Strips strips, Planes<T> v) {
    loops_.input(x_, strips, map.template const_data_ptr<T>(), v);
  });
}

template <class T>
Rows<T> Domain<T>::output_adjoint(const AffineOf<T>& y_bar) const {
  return rows(out_, [this, y_bar](Strips strips, Planes<T> m) { loops_.output_adjoint(y_, strips, y_bar.get(), m); });
}

template <class T>
std::pair<at::Tensor, std::vector<Doubles>> Domain<T>::output(Terms terms, const at::Tensor& u) const {
  auto y = map(out_, x_.side);
  Doubles sums(x_.images * 2 * out_);
  const Read read = [&](Strips strips, Planes<const T> m) {
    loops_.output(y_, strips, m, y.template data_ptr<T>(), data_or_null<T>(u), sums.data(), past_);
  };
  in_cache_ ? output_in_cache(terms, read) : output_whole(terms, read);
  return {std::move(y), over_images(sums, x_.images, 2, out_)};
}

template <class T>
at::Tensor Domain<T>::inference(const Rows<T>& v, const Weights<T>& u, const at::Tensor& bias, const at::Tensor& skip,
                                bool relu) const {
  auto y = map(out_, x_.side);
  const auto added = channels_last(skip);
  const Read read = [&](Strips strips, Planes<const T> m) {
    loops_.inference(y_, strips, m, bias.const_data_ptr<T>(), data_or_null<T>(added), relu, y.template data_ptr<T>());
  };
  in_cache_ ? output_in_cache({{v, u}}, read) : output_whole({{v, u}}, read);
  return y;
}

template <class T>
at::Tensor Domain<T>::adjoint(const AdjointTerms& terms, const at::Tensor& w_bar) const {
  const bool needs_x_bar = std::any_of(terms.begin(), terms.end(), [](const auto& term) { return term.u != nullptr; });
  auto x_bar = needs_x_bar ? map(x_.channels, x_.input_side) : at::Tensor();
  const Read read = [&](Strips strips, Planes<const T> v) {
    loops_.input_adjoint(x_, strips, v, x_bar.template data_ptr<T>());
  };
  if (in_cache_) {
    adjoint_in_cache(terms, w_bar, needs_x_bar ? read : Read());
  } else {
    weights_adjoint_whole(terms, w_bar);
    if (needs_x_bar) input_adjoint_whole(terms, read);
  }
  return x_bar;
}

template <class T>
Values Domain<T>::affine(const AffineOf<T>& from, Gate gate, const AffineOf<T>& z, bool pool) const {
  Values result{map(out_, x_.side), pool ? map(out_, x_.side / 2) : at::Tensor()};
  const auto affine = from.get();
  const auto before = z.get();
  auto* const y = result[0].template data_ptr<T>();
  if (pool) {
    auto* const p = result[1].template data_ptr<T>();
    parallel(x_.images, [&](int64_t begin, int64_t end) {
      loops_.pooled_affine(y_, {begin, end}, affine, gate, before, y, p, past_);
    });
  } else {
    parallel(x_.images * x_.places(),
             [&](int64_t begin, int64_t end) { loops_.affine(out_, begin, end, affine, gate, before, y, past_); });
  }
  return result;
}

template <class T>
std::pair<at::Tensor, std::vector<Doubles>> Domain<T>::gated_sums(Values y, const AffineOf<T>& z, const at::Tensor& u,
                                                                  const at::Tensor& v, const at::Tensor& v_with) const {
  const bool seeded = y[0].defined();
  const auto before = z.get();
  // Without a gate nothing is written, and the sums may belong to another map.
  auto map = !seeded ? this->map(out_, x_.side) : before.terms > 0 ? writable(std::move(y[0])) : channels_last(y[0]);
  const auto pooled = y.size() > 1 ? channels_last(y[1]) : at::Tensor();
  Doubles sums(x_.images * 3 * out_);
  parallel(x_.images, [&](int64_t begin, int64_t end) {
    const Images images{begin, end};
    if (pooled.defined()) {
      loops_.pooled_sums(y_, images, seeded, map.template data_ptr<T>(), pooled.template const_data_ptr<T>(), before,
                         u.const_data_ptr<T>(), data_or_null<T>(v), data_or_null<T>(v_with), sums.data());
    } else {
      loops_.masked_sums(y_, images, map.template data_ptr<T>(), before, u.const_data_ptr<T>(), data_or_null<T>(v),
                         data_or_null<T>(v_with), sums.data());
    }
  });
  return {std::move(map), over_images(sums, x_.images, 3, out_)};
}

template class AffineOf<float>;
template class AffineOf<double>;
template class Weights<float>;
template class Weights<double>;
template class Domain<float>;
template class Domain<double>;

}  // namespace l2t::backends::cpu
