#pragma once
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "native/backends/cpu/gemm.h"

namespace l2t::backends::cpu {

/// Elements from the matrix of one frequency to that of the next. The gap keeps them from falling on the same lines of
/// the cache.
inline int64_t plane_stride(int64_t frequencies, int64_t elements) {
  constexpr int64_t kLine = 16;
  constexpr int64_t kGap = 80;
  return frequencies == 1 ? elements : (elements + kLine - 1) / kLine * kLine + kGap;
}

/// Room for a matrix of rows × width for each frequency.
inline at::Tensor empty_planes(int64_t frequencies, int64_t rows, int64_t width, const at::TensorOptions& options) {
  return at::empty({frequencies, plane_stride(frequencies, rows * width)}, options);
}

/// A matrix for each frequency.
template <class T>
struct Matrices {
  T* data;
  int64_t stride;
  int64_t width;

  [[nodiscard]] T* at(int64_t frequency, int64_t row) const { return data + frequency * stride + row * width; }
  [[nodiscard]] Operand<T> operand(int64_t frequency, int64_t row, bool transposed) const {
    return {at(frequency, row), width, transposed};
  }
};

template <class T>
Matrices<T> in(const at::Tensor& planes, int64_t width) {
  return {planes.data_ptr<T>(), planes.size(1), width};
}

template <class Body>
void parallel(int64_t count, const Body& body) {
  at::parallel_for(0, count, 1, body);
}

}  // namespace l2t::backends::cpu
