// What every machine of the build's architecture runs; vectors of 16 bytes are SSE2's and NEON's.
// Before an instruction set is chosen: of an inline function that several files compile, the linker keeps one, and that
// must run on every machine.
#include "native/kernels/loops.h"

#define L2T_ISA baseline
#define L2T_ISA_NAME "baseline"
#define L2T_VECTOR_BYTES 16
#include "native/kernels/loops.inc"
