#include <algorithm>

#include "native/backends/cpu/domain.h"
#include "native/backends/cpu/planes.h"

// Products with few weights: a thread does everything for some strips before it goes on to the next ones.
namespace l2t::backends::cpu {
namespace {

/// Bytes of a thread's buffers. They stay in its second-level cache, beside the weights of some frequencies.
constexpr int64_t kBufferBytes = int64_t{3} << 19;

/// A thread's buffers, taken one after the other.
template <class T>
class Buffers {
 public:
  Buffers(T* data, int64_t frequencies, int64_t rows) : data_(data), frequencies_(frequencies), rows_(rows) {}

  /// Room for a matrix of `width` columns for each frequency.
  Matrices<T> take(int64_t width) {
    const Matrices<T> taken{data_, plane_stride(frequencies_, rows_ * width), width};
    data_ += frequencies_ * taken.stride;
    return taken;
  }

  /// Some strips of V or Ȳ.
  Matrices<T> take(int64_t width, const Rows<T>& rows, Strips strips) {
    const auto taken = take(width);
    rows.make(strips, {taken.data, taken.stride, strips.begin});
    return taken;
  }

 private:
  T* data_;
  int64_t frequencies_;
  int64_t rows_;
};

}  // namespace

/// Calls body(strips, rows, buffers) for all strips, some at a time. Each thread has images of its own. The buffers
/// have room for `width` columns, in several matrices.
template <class T>
template <class Body>
void Domain<T>::by_strips(int64_t width, const Body& body) const {
  constexpr int64_t kMostRows = 128;
  constexpr int64_t kMostMatrices = 6;
  const int64_t bytes = x_.frequencies() * width * static_cast<int64_t>(sizeof(T));
  const int64_t tiles = x_.tiles();
  const int64_t step = std::max<int64_t>(1, std::min(kBufferBytes / bytes, kMostRows) / tiles);
  const int64_t room =
      plane_stride(x_.frequencies(), step * tiles * width) + plane_stride(x_.frequencies(), 0) * kMostMatrices;
  const auto buffers = at::empty({at::get_num_threads(), x_.frequencies() * room}, options_);
  parallel(x_.images, [&](int64_t first, int64_t last) {
    T* const own = buffers.template data_ptr<T>() + at::get_thread_num() * buffers.size(1);
    for (int64_t begin = first * tiles; begin < last * tiles; begin += step) {
      const Strips strips{begin, std::min(begin + step, last * tiles)};
      body(strips, (strips.end - begin) * tiles, Buffers<T>(own, x_.frequencies(), step * tiles));
    }
  });
}

template <class T>
void Domain<T>::output_in_cache(Terms terms, const Read& read) const {
  for (const auto& term : terms) static_cast<void>(term.u.transposed());
  const auto multiply = small_ ? loops_.product : gemm<T>();
  const auto columns = static_cast<int64_t>(terms.size()) * in_ + out_;
  by_strips(columns, [&](Strips strips, int64_t rows, Buffers<T> buffers) {
    const auto m = buffers.take(out_);
    bool accumulate = false;
    for (const auto& term : terms) {
      const auto v = buffers.take(in_, term.v, strips);
      const auto u = in<T>(term.u.transposed(), out_);
      for (int64_t f = 0; f < x_.frequencies(); ++f) {
        multiply(rows, out_, in_, v.operand(f, 0, false), u.operand(f, 0, false), accumulate, m.at(f, 0), out_);
      }
      accumulate = true;
    }
    read(strips, {m.data, m.stride, strips.begin});
  });
}

template <class T>
void Domain<T>::adjoint_in_cache(const AdjointTerms& terms, const at::Tensor& w_bar, const Read& read) const {
  int64_t columns = read ? in_ : 0;
  for (const auto& term : terms) {
    columns += out_ + (term.v != nullptr ? in_ : 0);
    if (term.u != nullptr) static_cast<void>(term.u->matrices());
  }
  const auto multiply = small_ ? loops_.product : gemm<T>();
  const auto threads = at::get_num_threads();
  const auto sums = at::empty({threads, x_.frequencies(), plane_stride(x_.frequencies(), out_ * in_)}, options_);
  std::vector<char> started(threads);  // not bool: each thread writes its own
  by_strips(columns, [&](Strips strips, int64_t rows, Buffers<T> buffers) {
    const auto thread = at::get_thread_num();
    const auto u_bar = in<T>(sums[thread], in_);
    const auto v_bar = read ? buffers.take(in_) : Matrices<T>{};
    bool accumulate = false;
    for (const auto& term : terms) {
      const auto y_bar = buffers.take(out_, term.y_bar, strips);
      if (term.v != nullptr) {
        const auto v = buffers.take(in_, *term.v, strips);
        for (int64_t f = 0; f < x_.frequencies(); ++f) {
          multiply(out_, in_, rows, y_bar.operand(f, 0, true), v.operand(f, 0, false), started[thread] != 0,
                   u_bar.at(f, 0), in_);
        }
        started[thread] = 1;
      }
      if (term.u != nullptr) {
        const auto u = in<T>(term.u->matrices(), in_);
        for (int64_t f = 0; f < x_.frequencies(); ++f) {
          multiply(rows, in_, out_, y_bar.operand(f, 0, false), u.operand(f, 0, false), accumulate, v_bar.at(f, 0),
                   in_);
        }
        accumulate = true;
      }
    }
    if (read) read(strips, {v_bar.data, v_bar.stride, strips.begin});
  });
  const auto total = in<T>(sums[0], in_);
  parallel(out_, [&](int64_t begin, int64_t end) {
    for (int64_t thread = 1; thread < threads; ++thread) {
      if (started[thread] == 0) continue;
      const auto other = in<T>(sums[thread], in_);
      for (int64_t f = 0; f < x_.frequencies(); ++f) {
        T* const to = total.at(f, 0);
        const T* const from = other.at(f, 0);
        for (int64_t i = begin * in_; i < end * in_; ++i) to[i] += from[i];
      }
    }
    loops_.weights_adjoint(x_, begin, end, total.data, total.stride, w_bar.data_ptr<T>());
  });
}

template void Domain<float>::output_in_cache(Terms, const Read&) const;
template void Domain<float>::adjoint_in_cache(const AdjointTerms&, const at::Tensor&, const Read&) const;
template void Domain<double>::output_in_cache(Terms, const Read&) const;
template void Domain<double>::adjoint_in_cache(const AdjointTerms&, const at::Tensor&, const Read&) const;

}  // namespace l2t::backends::cpu
