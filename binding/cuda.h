#pragma once
#include <string>
#include <vector>

#include "native/backends/cuda/cuda.h"

namespace l2t::binding {

/// The CUDA releases of the addon and of LibTorch; '' in a build without CUDA.
struct CudaVersions {
  std::string compiled_for;
  std::string runtime;

  static void fields(auto& self, auto&& visit) {
    visit("compiledFor", self.compiled_for);
    visit("runtime", self.runtime);
  }
};

/// Whether CUDA can be used here, and what there is.
struct CudaDescription {
  std::string problem;  // '' where it can
  std::string cudnn;
  std::vector<backends::cuda::GpuDescription> gpus;

  static void fields(auto& self, auto&& visit) {
    visit("problem", self.problem);
    visit("cudnn", self.cudnn);
    visit("gpus", self.gpus);
  }
};

}  // namespace l2t::binding
