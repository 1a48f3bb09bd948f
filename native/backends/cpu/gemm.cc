#include "native/backends/cpu/gemm.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "native/core/loaded_symbol.h"

namespace l2t::backends::cpu {
namespace {

// Both are C interfaces that have not changed for years, so neither needs a header at build time.
using DnnlSgemm = int(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float* a,
                      int64_t lda, const float* b, int64_t ldb, float beta, float* c, int64_t ldc);
template <class T>
using BlasGemm = void(const char* trans_a, const char* trans_b, const int* m, const int* n, const int* k,
                      const T* alpha, const T* a, const int* lda, const T* b, const int* ldb, const T* beta, T* c,
                      const int* ldc);

DnnlSgemm* dnnl_sgemm() {
  static auto* const symbol = loaded_symbol<DnnlSgemm>("dnnl_sgemm");
  return symbol;
}

template <class T>
BlasGemm<T>* blas_gemm() {
  static auto* const symbol = loaded_symbol<BlasGemm<T>>(std::is_same_v<T, float> ? "sgemm_" : "dgemm_");
  return symbol;
}

char letter(bool transposed) { return transposed ? 'T' : 'N'; }

void by_one_dnn(int64_t rows, int64_t columns, int64_t inner, Operand<float> a, Operand<float> b, bool accumulate,
                float* c, int64_t c_stride) {
  if (inner == 0) {  // oneDNN may leave C as it is then
    for (int64_t row = 0; row < rows && !accumulate; ++row) std::fill_n(c + row * c_stride, columns, 0.0F);
    return;
  }
  constexpr int kOutOfMemory = 1;
  const int status = dnnl_sgemm()(letter(a.transposed), letter(b.transposed), rows, columns, inner, 1, a.data, a.stride,
                                  b.data, b.stride, accumulate ? 1 : 0, c, c_stride);
  if (status == kOutOfMemory) throw std::bad_alloc();
  if (status != 0) throw std::runtime_error("dnnl_sgemm refused a product: status " + std::to_string(status));
}

/// BLAS stores matrices by columns, so this computes Cᵀ = Bᵀ Aᵀ.
template <class T>
void by_blas(int64_t rows, int64_t columns, int64_t inner, Operand<T> a, Operand<T> b, bool accumulate, T* c,
             int64_t c_stride) {
  const auto narrow = [](int64_t value) { return static_cast<int>(value); };
  const int m = narrow(columns);
  const int n = narrow(rows);
  const int k = narrow(inner);
  const int lda = narrow(b.stride);
  const int ldb = narrow(a.stride);
  const int ldc = narrow(c_stride);
  const char trans_a = letter(b.transposed);
  const char trans_b = letter(a.transposed);
  const T one = 1;
  const T beta = accumulate ? 1 : 0;
  blas_gemm<T>()(&trans_a, &trans_b, &m, &n, &k, &one, b.data, &lda, a.data, &ldb, &beta, c, &ldc);
}

template <class T>
void by_libtorch(int64_t rows, int64_t columns, int64_t inner, Operand<T> a, Operand<T> b, bool accumulate, T* c,
                 int64_t c_stride) {
  const auto view = [](const T* data, int64_t height, int64_t width, int64_t stride) {
    return at::from_blob(const_cast<T*>(data), {height, width}, {stride, 1}, at::CppTypeToScalarType<T>::value);
  };
  const auto operand = [&](Operand<T> x, int64_t height, int64_t width) {
    return x.transposed ? view(x.data, width, height, x.stride).t() : view(x.data, height, width, x.stride);
  };
  auto result = view(c, rows, columns, c_stride);
  const auto product = at::mm(operand(a, rows, inner), operand(b, inner, columns));
  if (accumulate) {
    result.add_(product);
  } else {
    result.copy_(product);
  }
}

}  // namespace

template <class T>
Gemm<T> gemm_of(GemmLibrary library) {
  if (library == GemmLibrary::kLibTorch) return by_libtorch<T>;
  if (library == GemmLibrary::kBlas) return blas_gemm<T>() != nullptr ? by_blas<T> : nullptr;
  if constexpr (std::is_same_v<T, float>) {
    if (dnnl_sgemm() != nullptr) return by_one_dnn;
  }
  return nullptr;
}

template <class T>
Gemm<T> gemm() {
  static const auto chosen = [] {
    for (const auto library : {GemmLibrary::kOneDnn, GemmLibrary::kBlas}) {
      if (const auto found = gemm_of<T>(library); found != nullptr) return found;
    }
    return gemm_of<T>(GemmLibrary::kLibTorch);
  }();
  return chosen;
}

template Gemm<float> gemm_of(GemmLibrary);
template Gemm<double> gemm_of(GemmLibrary);
template Gemm<float> gemm();
template Gemm<double> gemm();

const char* gemm_name() {
  if (gemm_of<float>(GemmLibrary::kOneDnn) != nullptr) return "oneDNN";
  return gemm_of<float>(GemmLibrary::kBlas) != nullptr ? "BLAS" : "LibTorch";
}

}  // namespace l2t::backends::cpu
