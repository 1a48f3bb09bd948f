#pragma once
#include <cstdint>

namespace l2t::kernels {

/// A matrix by rows, `stride` elements apart; `transposed`: the operand is its transpose.
template <class T>
struct Operand {
  const T* data;
  int64_t stride;
  bool transposed = false;
};

/// C ← A B (+ C where `accumulate`), rows × inner times inner × columns. On the calling thread alone inside a parallel
/// region.
template <class T>
using Gemm = void (*)(int64_t rows, int64_t columns, int64_t inner, Operand<T> a, Operand<T> b, bool accumulate, T* c,
                      int64_t c_stride);

/// A library's product: oneDNN's (float only), BLAS's, or LibTorch's own operation, which is always there.
enum class GemmLibrary { kOneDnn, kBlas, kLibTorch };

/// Null where this process has not loaded that library.
template <class T>
Gemm<T> gemm_of(GemmLibrary library);

/// The first of them that is there.
template <class T>
Gemm<T> gemm();

/// Its name, for people: "oneDNN", "BLAS" or "LibTorch".
const char* gemm_name();

}  // namespace l2t::kernels
