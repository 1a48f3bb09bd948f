#include "binding/cuda.h"

#include "binding/marshal.h"
#include "native/core/device.h"

namespace l2t::binding {

Napi::Value cuda_versions(const Napi::CallbackInfo& call) {
  return write(call.Env(), CudaVersions{backends::cuda::compiled_for(), backends::cuda::runtime_version()});
}

Napi::Value cuda(const Napi::CallbackInfo& call) {
  CudaDescription found{cuda_problem(), {}, {}};
  if (found.problem.empty()) {
    found.cudnn = backends::cuda::cudnn_version();
    found.gpus = backends::cuda::gpus();
  }
  return write(call.Env(), found);
}

}  // namespace l2t::binding
