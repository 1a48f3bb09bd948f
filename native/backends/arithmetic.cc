#include <ATen/Context.h>

#include "native/backends/backend.h"

namespace l2t::backends {
namespace {

// cuDNN uses TF32 unless told otherwise, cuBLAS does not. With bf16 only the operands are narrow: sums stay float32.
void set_precision(Precision precision) {
  auto& context = at::globalContext();
  const bool tf32 = precision == Precision::kTf32;
  context.setAllowTF32CuDNN(tf32);
  context.setAllowTF32CuBLAS(tf32);
  context.setAllowBF16ReductionCuBLAS(false);
}

// Benchmarking lets cuDNN choose the fastest algorithm by trial, which may be another one in the next run. cuBLAS is
// deterministic with the workspace that the loader sets (CUBLAS_WORKSPACE_CONFIG); without it, LibTorch throws.
void set_determinism(bool deterministic) {
  auto& context = at::globalContext();
  context.setDeterministicCuDNN(deterministic);
  context.setBenchmarkCuDNN(!deterministic);
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  // Filling every new tensor would cost an operation each. We read no memory that we did not write.
  context.setDeterministicFillUninitializedMemory(false);
}

}  // namespace

void set_arithmetic(const Arithmetic& arithmetic) {
  if (!arithmetic.options.device().is_cuda()) return;
  set_precision(arithmetic.precision);
  set_determinism(arithmetic.deterministic);
}

}  // namespace l2t::backends
