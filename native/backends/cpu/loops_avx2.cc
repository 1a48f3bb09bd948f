#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
// Included before the pragma chooses an instruction set: where several files compile the same inline function, the
// linker keeps one copy, and that copy must run on every machine.
#include "native/backends/cpu/loops.h"

#pragma GCC target("avx2,fma")
#define L2T_ISA avx2
#define L2T_ISA_NAME "avx2"
#define L2T_VECTOR_BYTES 32
#include "native/backends/cpu/loops.inc"
#endif
