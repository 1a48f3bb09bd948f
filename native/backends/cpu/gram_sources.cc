#include "native/backends/cpu/gram_sources.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "native/backends/matching.h"
#include "native/backends/unit.h"

namespace l2t::backends::cpu {

template <class T>
Resize<T>::Resize(int64_t from, int64_t to) : from_(from), to_(to), first_(to), weight_(to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  for (int64_t i = 0; i < to; ++i) {
    const double place = std::max(0.0, (static_cast<double>(i) + 0.5) * scale - 0.5);
    first_[i] = std::min(static_cast<int64_t>(place), from - 1);
    weight_[i] = static_cast<T>(place - static_cast<double>(first_[i]));
  }
}

template <class T>
std::vector<double> Resize<T>::sums() const {
  std::vector<double> sums(from_);
  for (int64_t i = 0; i < to_; ++i) {
    sums[first_[i]] += 1 - static_cast<double>(weight_[i]);
    sums[axis().next(i)] += weight_[i];
  }
  return sums;
}

template <class T>
typename Resize<T>::Band Resize<T>::square() const {
  Band band{std::vector<double>(from_), std::vector<double>(from_)};
  for (int64_t i = 0; i < to_; ++i) {
    const int64_t first = first_[i];
    const double next = axis().next(i) == first ? 0 : static_cast<double>(weight_[i]);
    const double own = axis().next(i) == first ? 1 : 1 - static_cast<double>(weight_[i]);
    band.diagonal[first] += own * own;
    if (next == 0) continue;
    band.diagonal[first + 1] += next * next;
    band.beside[first] += own * next;
  }
  return band;
}

template <class T>
GramSources<T>::GramSources(const std::vector<at::Tensor>& maps, int64_t side) {
  for (const auto& map : maps) {
    const auto own = channels_last(map.size(2) > side ? resized(map, side) : map);
    auto size = std::find_if(sizes.begin(), sizes.end(),
                             [&](const GramSize<T>& each) { return each.resize.from() == own.size(2); });
    if (size == sizes.end()) size = sizes.insert(sizes.end(), {Resize<T>(own.size(2), side), {}});
    size->sources.push_back({own, channels});
    channels += own.size(1);
  }
  std::sort(sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.resize.from() < b.resize.from(); });
  p_s.resize(maps.front().size(0) * channels);
  u.resize(p_s.size());
  for (const auto& size : sizes) take_sums(size);
}

namespace {

/// to += factor · x ∘ y.
template <class T>
void add_product(int64_t count, double factor, const T* x, const T* y, double* to) {
  for (int64_t c = 0; c < count; ++c) to[c] += factor * static_cast<double>(x[c]) * static_cast<double>(y[c]);
}

}  // namespace

/// u_c = Σ (A ⊗ A)(places, places') S_c(places) S_c(places') with A = Rᵀ R, whose band is three wide: each place meets
/// itself once, and its neighbours on one side twice.
template <class T>
void GramSources<T>::take_sums(const GramSize<T>& size) {
  const auto sums = size.resize.sums();
  const auto band = size.resize.square();
  const int64_t side = size.resize.from();
  for (const auto& source : size.sources) {
    const int64_t count = source.channels();
    at::parallel_for(0, source.map.size(0), 1, [&](int64_t begin, int64_t end) {
      for (int64_t image = begin; image < end; ++image) {
        const T* const s = source.map.template const_data_ptr<T>() + image * side * side * count;
        double* const own_p_s = p_s.data() + image * channels + source.begin;
        double* const own_u = u.data() + image * channels + source.begin;
        for (int64_t i = 0; i < side; ++i) {
          for (int64_t j = 0; j < side; ++j) {
            const T* const place = s + (i * side + j) * count;
            const double weight = sums[i] * sums[j];
            for (int64_t c = 0; c < count; ++c) own_p_s[c] += weight * static_cast<double>(place[c]);
            const auto meet = [&](int64_t down, int64_t right, double a, double b) {
              if (a * b != 0) add_product(count, a * b, place, place + (down * side + right) * count, own_u);
            };
            meet(0, 0, band.diagonal[i], band.diagonal[j]);
            meet(0, 1, 2 * band.diagonal[i], band.beside[j]);
            meet(1, 0, 2 * band.beside[i], band.diagonal[j]);
            meet(1, 1, 2 * band.beside[i], band.beside[j]);
            if (j > 0) meet(1, -1, 2 * band.beside[i], band.beside[j - 1]);
          }
        }
      }
    });
  }
}

template class Resize<float>;
template class Resize<double>;
template struct GramSources<float>;
template struct GramSources<double>;

}  // namespace l2t::backends::cpu
