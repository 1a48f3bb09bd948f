#include "native/core/layout.h"

#include <ATen/ops/split_with_sizes.h>
#include <ATen/ops/zeros.h>
#include <c10/util/accumulate.h>

#include <sstream>
#include <unordered_map>

#include "native/core/error.h"

namespace l2t {

Slice Layout::add(const std::string& slice, const std::vector<TensorSpec>& specs) {
  const Slice added{specs_.size(), specs.size()};
  for (const auto& spec : specs) specs_.push_back({slice + "." + spec.name, spec.shape});
  slices_[slice] = added;
  return added;
}

Slice Layout::slice(const std::string& name) const {
  const auto found = slices_.find(name);
  if (found == slices_.end()) throw Error("INTERNAL", "The layout has no slice " + name + ".");
  return found->second;
}

int64_t Layout::length() const {
  int64_t total = 0;
  for (const auto& spec : specs_) total += c10::multiply_integers(spec.shape);
  return total;
}

std::vector<at::Tensor> Layout::views(const at::Tensor& flat) const {
  if (specs_.empty()) return {};
  std::vector<int64_t> sizes;
  sizes.reserve(specs_.size());
  for (const auto& spec : specs_) sizes.push_back(c10::multiply_integers(spec.shape));
  auto parts = at::split_with_sizes(flat, sizes);
  for (size_t i = 0; i < parts.size(); ++i) parts[i] = parts[i].view(specs_[i].shape);
  return parts;
}

void append_named(std::vector<NamedTensor>& to, const std::vector<TensorSpec>& specs, Tensors tensors,
                  const std::string& prefix) {
  for (size_t i = 0; i < specs.size(); ++i) to.push_back({prefix + specs[i].name, tensors[i]});
}

ParameterVector make_parameters(Layout layout, const at::TensorOptions& options) {
  ParameterVector result{std::move(layout), {}, {}};
  result.flat = at::zeros({result.layout.length()}, options);
  result.views = result.layout.views(result.flat);
  return result;
}

void copy_by_name(const std::vector<NamedTensor>& to, const std::vector<NamedTensor>& from) {
  std::unordered_map<std::string, at::Tensor> by_name;
  for (const auto& entry : from) by_name.emplace(entry.name, entry.tensor);
  for (const auto& [name, tensor] : to) {
    const auto found = by_name.find(name);
    if (found == by_name.end()) throw Error("WEIGHTS_MISMATCH", "The weights have no entry " + name + ".");
    if (found->second.sizes() != tensor.sizes()) {
      std::ostringstream message;
      message << name << " has shape " << found->second.sizes() << " in the weights, but the network wants "
              << tensor.sizes() << ".";
      throw Error("WEIGHTS_MISMATCH", message.str());
    }
    tensor.copy_(found->second);
  }
}

void copy_by_name(const std::vector<TensorSpec>& specs, Tensors to, const std::vector<NamedTensor>& from,
                  const std::string& prefix) {
  std::vector<NamedTensor> named;
  append_named(named, specs, to, prefix);
  copy_by_name(named, from);
}

}  // namespace l2t
