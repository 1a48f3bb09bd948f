// A build without CUDA.
#include "native/backends/cuda/backend.h"

namespace l2t::backends::cuda {

const Backend* backend_for(const Arithmetic& /*arithmetic*/) { return nullptr; }

}  // namespace l2t::backends::cuda
