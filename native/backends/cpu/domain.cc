#include "native/backends/cpu/domain.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "native/backends/cpu/gemm.h"

namespace l2t::backends::cpu {
namespace {

constexpr int64_t kTaps = 9;
/// Products are computed in blocks of about this many bytes, so that the transform after them finds them in the cache.
constexpr int64_t kBlockBytes = int64_t{16} << 20;
/// Elements between the matrices of two frequencies, so that they don't all fall on the same lines of the cache.
constexpr int64_t kGap = 80;

/// A matrix for each frequency.
template <class T>
struct Matrices {
  T* data;
  int64_t stride;
  int64_t width;

  [[nodiscard]] Operand<T> operand(int64_t frequency, int64_t row, bool transposed) const {
    return {data + frequency * stride + row * width, width, transposed};
  }
};

template <class T>
Matrices<T> in(const at::Tensor& storage, int64_t width) {
  return {storage.data_ptr<T>(), storage.size(1), width};
}

template <class T>
const T* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}

/// The map, or a copy, that can be written in place: channels last and not shared.
at::Tensor own(at::Tensor map) {
  if (!map.is_contiguous(at::MemoryFormat::ChannelsLast)) return channels_last(map);
  return map.use_count() == 1 ? std::move(map) : map.clone();
}

template <class Body>
void parallel(int64_t count, const Body& body) {
  at::parallel_for(0, count, 1, body);
}

/// Runs body(frequency, first row, rows) in pieces that give all threads the same amount of work.
template <class Body>
void share_out(int64_t frequencies, int64_t rows, const Body& body) {
  const int64_t threads = at::get_num_threads();
  int64_t pieces = 1;
  while (frequencies * pieces % threads != 0 && frequencies * pieces < 16 * threads) ++pieces;
  const int64_t piece = (rows + pieces - 1) / pieces;
  parallel(frequencies * pieces, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = task % pieces * piece;
      const int64_t count = std::min(piece, rows - row);
      if (count > 0) body(task / pieces, row, count);
    }
  });
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

at::Tensor channels_last(const at::Tensor& map) { return map.contiguous(at::MemoryFormat::ChannelsLast); }

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
  Affine<T> affine{static_cast<int>(maps_.size()), {}, {}, values_.back().data()};
  for (size_t k = 0; k < maps_.size(); ++k) {
    affine.map[k] = maps_[k].template const_data_ptr<T>();
    affine.slope[k] = values_[k].data();
  }
  return affine;
}

template <class T>
Domain<T>::Domain(const Geometry& x, int64_t out, const at::TensorOptions& options)
    : loops_(loops<T>()),
      x_(x),
      y_{x.form, x.images, x.side, out},
      rows_(x.images * x.rows()),
      in_(x.form == Form::kPatches ? x.channels * kTaps : x.channels),
      out_(out),
      options_(options) {}

template <class T>
at::Tensor Domain<T>::map(int64_t channels, int64_t side) const {
  return at::empty({x_.images, channels, side, side}, options_, at::MemoryFormat::ChannelsLast);
}

template <class T>
at::Tensor Domain<T>::matrices(int64_t rows, int64_t width) const {
  const auto frequencies = x_.frequencies();
  const int64_t stride = frequencies == 1 ? rows * width : (rows * width + 15) / 16 * 16 + kGap;
  return at::empty({frequencies, stride}, options_);
}

template <class T>
at::Tensor Domain<T>::input(const at::Tensor& x) const {
  const auto map = channels_last(x);
  auto v = matrices(rows_, in_);
  const Planes<T> planes{v.template data_ptr<T>(), v.size(1), 0};
  parallel(x_.images, [&](int64_t begin, int64_t end) {
    loops_.input(x_, {begin, end}, map.template const_data_ptr<T>(), planes);
  });
  return v;
}

template <class T>
at::Tensor Domain<T>::weights(const at::Tensor& w) const {
  auto u = matrices(out_, in_);
  parallel(out_, [&](int64_t begin, int64_t end) {
    loops_.weights(x_.form, x_.channels, begin, end, w.const_data_ptr<T>(), u.template data_ptr<T>(), u.size(1));
  });
  return u;
}

template <class T>
at::Tensor Domain<T>::output_adjoint(const AffineOf<T>& y_bar) const {
  auto m = matrices(rows_, out_);
  const Planes<T> planes{m.template data_ptr<T>(), m.size(1), 0};
  const auto affine = y_bar.get();
  parallel(x_.images, [&](int64_t begin, int64_t end) { loops_.output_adjoint(y_, {begin, end}, affine, planes); });
  return m;
}

/// Computes Σ over terms of rows (`inner` columns) times matrix, `width` columns, for some images at a time; then
/// `read` processes these images.
template <class T>
template <class Read>
void Domain<T>::by_blocks(Terms terms, int64_t inner, int64_t width, bool transposed, const Read& read) const {
  const auto multiply = gemm<T>();
  const int64_t of_image = x_.rows();
  const int64_t bytes = x_.frequencies() * of_image * width * static_cast<int64_t>(sizeof(T));
  const int64_t block = std::max<int64_t>(1, std::min(kBlockBytes / bytes, x_.images));
  const auto product = matrices(block * of_image, width);
  const auto m = in<T>(product, width);
  for (int64_t first = 0; first < x_.images; first += block) {
    const int64_t last = std::min(first + block, x_.images);
    share_out(x_.frequencies(), (last - first) * of_image, [&](int64_t f, int64_t row, int64_t count) {
      bool accumulate = false;
      for (const auto& [rows, matrix] : terms) {
        multiply(count, width, inner, in<T>(rows, inner).operand(f, first * of_image + row, false),
                 in<T>(matrix, in_).operand(f, 0, transposed), accumulate, m.data + f * m.stride + row * width, width);
        accumulate = true;
      }
    });
    const Planes<const T> planes{m.data, m.stride, first};
    parallel(last - first, [&](int64_t begin, int64_t end) { read(Images{first + begin, first + end}, planes); });
  }
}

template <class T>
std::pair<at::Tensor, std::vector<Doubles>> Domain<T>::output(Terms terms, const at::Tensor& u) const {
  auto y = map(out_, x_.side);
  Doubles sums(x_.images * 2 * out_);
  by_blocks(terms, in_, out_, /*transposed=*/true, [&](Images images, Planes<const T> m) {
    loops_.output(y_, images, m, y.template data_ptr<T>(), data_or_null<T>(u), sums.data());
  });
  return {std::move(y), over_images(sums, x_.images, 2, out_)};
}

template <class T>
at::Tensor Domain<T>::input_adjoint(Terms terms) const {
  auto x = map(x_.channels, x_.side);
  by_blocks(terms, out_, in_, /*transposed=*/false,
            [&](Images images, Planes<const T> v) { loops_.input_adjoint(x_, images, v, x.template data_ptr<T>()); });
  return x;
}

template <class T>
void Domain<T>::weights_adjoint(Terms terms, const at::Tensor& w_bar) const {
  const auto multiply = gemm<T>();
  const auto sum = matrices(out_, in_);
  const auto u = in<T>(sum, in_);
  share_out(x_.frequencies(), out_, [&](int64_t f, int64_t row, int64_t count) {
    bool accumulate = false;
    for (const auto& [y_bar, v] : terms) {
      auto left = in<T>(y_bar, out_).operand(f, 0, true);
      left.data += row;
      multiply(count, in_, rows_, left, in<T>(v, in_).operand(f, 0, false), accumulate,
               u.data + f * u.stride + row * in_, in_);
      accumulate = true;
    }
  });
  parallel(out_, [&](int64_t begin, int64_t end) {
    loops_.weights_adjoint(x_.form, x_.channels, begin, end, u.data, u.stride, w_bar.data_ptr<T>());
  });
}

template <class T>
MapAndPool Domain<T>::affine(const AffineOf<T>& from, Gate gate, const at::Tensor& z, bool pool) const {
  MapAndPool result{map(out_, x_.side), pool ? map(out_, x_.side / 2) : at::Tensor()};
  const auto affine = from.get();
  auto* const y = result.map.template data_ptr<T>();
  if (pool) {
    auto* const p = result.pooled.template data_ptr<T>();
    parallel(x_.images, [&](int64_t begin, int64_t end) {
      loops_.pooled_affine(y_, {begin, end}, affine, gate, data_or_null<T>(z), y, p);
    });
  } else {
    parallel(x_.images * x_.places(),
             [&](int64_t begin, int64_t end) { loops_.affine(out_, begin, end, affine, gate, data_or_null<T>(z), y); });
  }
  return result;
}

template <class T>
std::pair<at::Tensor, std::vector<Doubles>> Domain<T>::gated_sums(MapAndPool y, const at::Tensor& z,
                                                                  const at::Tensor& u, const at::Tensor& v,
                                                                  const at::Tensor& v_with) const {
  const bool seeded = y.map.defined();
  auto map = seeded ? own(std::move(y.map)) : this->map(out_, x_.side);
  const auto pooled = y.pooled.defined() ? channels_last(y.pooled) : at::Tensor();
  Doubles sums(x_.images * 3 * out_);
  parallel(x_.images, [&](int64_t begin, int64_t end) {
    const Images images{begin, end};
    if (pooled.defined()) {
      loops_.pooled_sums(y_, images, seeded, map.template data_ptr<T>(), pooled.template const_data_ptr<T>(),
                         z.const_data_ptr<T>(), u.const_data_ptr<T>(), data_or_null<T>(v), data_or_null<T>(v_with),
                         sums.data());
    } else {
      loops_.masked_sums(y_, images, map.template data_ptr<T>(), data_or_null<T>(z), u.const_data_ptr<T>(),
                         data_or_null<T>(v), data_or_null<T>(v_with), sums.data());
    }
  });
  return {std::move(map), over_images(sums, x_.images, 3, out_)};
}

template class AffineOf<float>;
template class AffineOf<double>;
template class Domain<float>;
template class Domain<double>;

}  // namespace l2t::backends::cpu
