#pragma once
#include <string>
#include <vector>

#include "native/core/layout.h"

namespace l2t::test {

/// The largest difference of two lists of tensors with equal names. A tensor's difference is relative to the largest
/// number of its kind (theta/…, momentum/…): biases before batch norm have a gradient of rounding alone.
struct Difference {
  double value = 0;
  std::string tensor;
};
Difference largest_difference(const std::vector<NamedTensor>& truth, const std::vector<NamedTensor>& tensors);

/// The names of the tensors that differ in a bit.
std::string unequal(const std::vector<NamedTensor>& truth, const std::vector<NamedTensor>& tensors);

/// The names of the tensors that are not on the fake device.
std::string elsewhere(const std::vector<NamedTensor>& tensors);

/// Copies on the CPU.
std::vector<NamedTensor> on_host(std::vector<NamedTensor> tensors);

}  // namespace l2t::test
