#pragma once
#include <ATen/core/Tensor.h>

#include "native/core/interface.h"

namespace l2t::run {

/// Runs the sources that this program cannot run itself (ONNX files), on other threads while training goes on.
class SourceRunner : public Interface {
 public:
  struct Request {
    int64_t source;
    at::Tensor images;   // float32, B × 3 × S × S, contiguous, on the CPU
    int64_t values;      // how many numbers the answer has (nets::values_per_image)
    c10::Device device;  // where they will be copied
  };

  /// Starts to run a source on a batch and returns its ticket.
  virtual int64_t request(Request request) = 0;
  /// Waits for what it computed (nets::activations_from): float32, 1-dim, on the CPU; undefined where the run was asked
  /// to end.
  virtual at::Tensor take(int64_t ticket) = 0;
};

}  // namespace l2t::run
