#include "test/native/device/compare.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <map>

#include "test/native/device/fake_device.h"

namespace l2t::test {
namespace {

double largest(const at::Tensor& tensor) {
  return tensor.numel() == 0 ? 0 : tensor.to(at::kCPU, at::kDouble).abs().max().item<double>();
}

std::string kind(const std::string& name) { return name.substr(0, name.find('/')); }

}  // namespace

Difference largest_difference(const std::vector<NamedTensor>& truth, const std::vector<NamedTensor>& tensors) {
  std::map<std::string, double> scales;
  for (const auto& [name, tensor] : truth) scales[kind(name)] = std::max(scales[kind(name)], largest(tensor));
  Difference result;
  for (size_t i = 0; i < truth.size(); ++i) {
    const auto& [name, wanted] = truth[i];
    const double distance = largest(tensors[i].tensor.cpu() - wanted.cpu());
    const double difference = distance == 0 ? 0 : distance / scales.at(kind(name));
    // Also where it is NaN.
    if (!(difference <= result.value)) result = {difference, name};
  }
  return result;
}

std::string unequal(const std::vector<NamedTensor>& truth, const std::vector<NamedTensor>& tensors) {
  std::string names;
  for (size_t i = 0; i < truth.size(); ++i) {
    if (!at::equal(truth[i].tensor.cpu(), tensors[i].tensor.cpu())) names += truth[i].name + ' ';
  }
  return names;
}

std::string elsewhere(const std::vector<NamedTensor>& tensors) {
  std::string names;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.device() != fake_device()) names += name + ' ';
  }
  return names;
}

std::vector<NamedTensor> on_host(std::vector<NamedTensor> tensors) {
  for (auto& named : tensors) named.tensor = named.tensor.to(at::kCPU).clone();
  return tensors;
}

}  // namespace l2t::test
