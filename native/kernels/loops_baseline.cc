// What every machine of the build's architecture runs; vectors of 16 bytes are SSE2's and NEON's.
#define L2T_ISA baseline
#define L2T_ISA_NAME "baseline"
#define L2T_VECTOR_BYTES 16
#include "native/kernels/loops.inc"
