// For every machine of the build's architecture; SSE2 and NEON have vectors of 16 bytes.
#include "native/backends/cpu/loops.h"

#define L2T_ISA baseline
#define L2T_ISA_NAME "baseline"
#define L2T_VECTOR_BYTES 16
#include "native/backends/cpu/loops.inc"
