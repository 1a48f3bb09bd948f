#include "binding/cuda.h"

#include "binding/marshal.h"
#include "native/core/device.h"
#include "native/core/error.h"

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

Napi::Value cuda_memory(const Napi::CallbackInfo& call) {
  const auto device = choose_device(argument<std::string>(call[0], "device")).device;
  if (!device.is_cuda()) throw Error("INVALID_OPTION", "Device '" + device.str() + "' is no GPU.");
  return write(call.Env(), backends::cuda::memory(device));
}

}  // namespace l2t::binding
