#include <algorithm>

#include "native/backends/cpu/domain.h"
#include "native/backends/cpu/planes.h"

// Products of all images with many weights, all threads together.
namespace l2t::backends::cpu {
namespace {

/// Products are computed in blocks of about this many bytes, so that the transform after them finds them in the cache.
constexpr int64_t kBlockBytes = int64_t{16} << 20;

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

}  // namespace

/// Computes products of `width` columns for some images at a time by multiply(frequency, first row of all images, rows,
/// to); then `read` processes these images.
template <class T>
template <class Multiply>
void Domain<T>::by_blocks(int64_t width, const Multiply& multiply, const Read& read) const {
  const int64_t of_image = x_.rows();
  const int64_t bytes = x_.images * x_.frequencies() * of_image * width * static_cast<int64_t>(sizeof(T));
  const int64_t blocks =
      std::clamp((bytes + kBlockBytes - 1) / kBlockBytes, int64_t{1}, std::max<int64_t>(1, x_.images));
  const int64_t block = (x_.images + blocks - 1) / blocks;  // all of about one size: small products are slow
  const auto product = empty_planes(x_.frequencies(), block * of_image, width, options_);
  const auto m = in<T>(product, width);
  for (int64_t first = 0; first < x_.images; first += block) {
    const int64_t last = std::min(first + block, x_.images);
    share_out(x_.frequencies(), (last - first) * of_image,
              [&](int64_t f, int64_t row, int64_t count) { multiply(f, first * of_image + row, count, m.at(f, row)); });
    const int64_t tiles = x_.tiles();
    const Planes<const T> planes{m.data, m.stride, first * tiles};
    // By images: strips of one image share places of x̄.
    parallel(last - first,
             [&](int64_t begin, int64_t end) { read(Strips{(first + begin) * tiles, (first + end) * tiles}, planes); });
  }
}

template <class T>
void Domain<T>::output_whole(Terms terms, const Read& read) const {
  for (const auto& term : terms) static_cast<void>(term.u.matrices());
  const auto product = [&, multiply = gemm<T>()](int64_t f, int64_t row, int64_t count, T* m) {
    bool accumulate = false;
    for (const auto& [v, u] : terms) {
      multiply(count, out_, in_, in<T>(v.all, in_).operand(f, row, false), in<T>(u.matrices(), in_).operand(f, 0, true),
               accumulate, m, out_);
      accumulate = true;
    }
  };
  by_blocks(out_, product, read);
}

template <class T>
void Domain<T>::input_adjoint_whole(const AdjointTerms& terms, const Read& read) const {
  for (const auto& term : terms) {
    if (term.u != nullptr) static_cast<void>(term.u->matrices());
  }
  const auto product = [&, multiply = gemm<T>()](int64_t f, int64_t row, int64_t count, T* v_bar) {
    bool accumulate = false;
    for (const auto& term : terms) {
      if (term.u == nullptr) continue;
      multiply(count, in_, out_, in<T>(term.y_bar.all, out_).operand(f, row, false),
               in<T>(term.u->matrices(), in_).operand(f, 0, false), accumulate, v_bar, in_);
      accumulate = true;
    }
  };
  by_blocks(in_, product, read);
}

template <class T>
void Domain<T>::weights_adjoint_whole(const AdjointTerms& terms, const at::Tensor& w_bar) const {
  const auto multiply = gemm<T>();
  const auto sum = empty_planes(x_.frequencies(), out_, in_, options_);
  const auto u_bar = in<T>(sum, in_);
  share_out(x_.frequencies(), out_, [&](int64_t f, int64_t row, int64_t count) {
    bool accumulate = false;
    for (const auto& term : terms) {
      if (term.v == nullptr) continue;
      auto left = in<T>(term.y_bar.all, out_).operand(f, 0, true);
      left.data += row;
      multiply(count, in_, rows_, left, in<T>(term.v->all, in_).operand(f, 0, false), accumulate, u_bar.at(f, row),
               in_);
      accumulate = true;
    }
  });
  parallel(out_, [&](int64_t begin, int64_t end) {
    loops_.weights_adjoint(x_, begin, end, u_bar.data, u_bar.stride, w_bar.data_ptr<T>());
  });
}

template void Domain<float>::output_whole(Terms, const Read&) const;
template void Domain<float>::input_adjoint_whole(const AdjointTerms&, const Read&) const;
template void Domain<float>::weights_adjoint_whole(const AdjointTerms&, const at::Tensor&) const;
template void Domain<double>::output_whole(Terms, const Read&) const;
template void Domain<double>::input_adjoint_whole(const AdjointTerms&, const Read&) const;
template void Domain<double>::weights_adjoint_whole(const AdjointTerms&, const at::Tensor&) const;

}  // namespace l2t::backends::cpu
