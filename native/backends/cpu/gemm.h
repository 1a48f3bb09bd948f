#pragma once
#include <cstdint>

namespace l2t::backends::cpu {

/// A matrix stored by rows, `stride` elements apart; `transposed`: the operand is its transpose.
template <class T>
struct Operand {
  const T* data;
  int64_t stride;
  bool transposed = false;
};

/// C ← A B (+ C where `accumulate`), rows × inner times inner × columns; `inner` may be 0. Throws std::bad_alloc.
/// Inside a parallel region it uses the calling thread only.
template <class T>
using Gemm = void (*)(int64_t rows, int64_t columns, int64_t inner, Operand<T> a, Operand<T> b, bool accumulate, T* c,
                      int64_t c_stride);

/// The library that multiplies: oneDNN (float only), BLAS, or LibTorch's own operation, which is always there.
enum class GemmLibrary { kOneDnn, kBlas, kLibTorch };

/// Null where this process has not loaded that library.
template <class T>
Gemm<T> gemm_of(GemmLibrary library);

/// The product of the first of these libraries that is loaded.
template <class T>
Gemm<T> gemm();

/// The library that gemm<float>() uses, for messages: "oneDNN", "BLAS" or "LibTorch".
const char* gemm_name();

}  // namespace l2t::backends::cpu
