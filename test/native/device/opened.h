#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

/// Own kernels on the fake device. A kernel's launch opens the memory of its tensors, runs the kernel's body
/// for each index on the host, and counts one operation.
namespace l2t::test {

/// Opens the memory of tensors for its lifetime. Tensors of the CPU and undefined ones need no opening. Throws where
/// the tensors are on several devices.
class Opened {
 public:
  explicit Opened(at::TensorList tensors);
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;
  ~Opened();

 private:
  std::vector<at::Tensor> tensors_;
};

/// Counts one own kernel as an operation. A kernel runs on the current device: throws where that is the wrong one.
void count_kernel(const char* name);

}  // namespace l2t::test
