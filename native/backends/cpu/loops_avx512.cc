#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// Included before the pragma chooses an instruction set: where several files compile the same inline function, the
// linker keeps one copy, and that copy must run on every machine.
#include "native/backends/cpu/loops.h"

#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,prefer-vector-width=512")
#define L2T_ISA avx512
#define L2T_ISA_NAME "avx512"
#define L2T_VECTOR_BYTES 64
#include "native/backends/cpu/loops.inc"
#endif
