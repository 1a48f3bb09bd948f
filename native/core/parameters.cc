#include "native/core/parameters.h"

#include <ATen/ops/split_with_sizes.h>
#include <ATen/ops/zeros.h>
#include <c10/util/accumulate.h>

#include <sstream>
#include <unordered_map>

#include "native/core/error.h"

namespace l2t {

ParameterVector make_parameters(std::vector<TensorSpec> specs, const at::TensorOptions& options) {
  int64_t total = 0;
  for (const auto& spec : specs) total += c10::multiply_integers(spec.shape);
  ParameterVector result{std::move(specs), at::zeros({total}, options), {}};
  result.views = views_of(result.flat, result.specs);
  return result;
}

std::vector<at::Tensor> views_of(const at::Tensor& flat, const std::vector<TensorSpec>& specs) {
  if (specs.empty()) return {};
  std::vector<int64_t> sizes;
  sizes.reserve(specs.size());
  for (const auto& spec : specs) sizes.push_back(c10::multiply_integers(spec.shape));
  auto parts = at::split_with_sizes(flat, sizes);
  for (size_t i = 0; i < parts.size(); ++i) parts[i] = parts[i].view(specs[i].shape);
  return parts;
}

void copy_by_name(const std::vector<TensorSpec>& specs, const std::vector<at::Tensor>& destination,
                  const std::vector<NamedTensor>& source, const std::string& prefix) {
  std::unordered_map<std::string, at::Tensor> by_name;
  for (const auto& entry : source) by_name.emplace(entry.name, entry.tensor);
  for (size_t i = 0; i < specs.size(); ++i) {
    const auto name = prefix + specs[i].name;
    const auto found = by_name.find(name);
    if (found == by_name.end()) throw Error("WEIGHTS_MISMATCH", "The weights have no entry " + name + ".");
    if (found->second.sizes() != destination[i].sizes()) {
      std::ostringstream message;
      message << name << " has shape " << found->second.sizes() << " in the weights, but the network wants "
              << destination[i].sizes() << ".";
      throw Error("WEIGHTS_MISMATCH", message.str());
    }
    destination[i].copy_(found->second);
  }
}

}  // namespace l2t
