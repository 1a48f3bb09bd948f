#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace l2t {

using Tensors = std::span<const at::Tensor>;

struct TensorSpec {
  std::string name;
  std::vector<int64_t> shape;

  static void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("shape", self.shape);
  }
};

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

/// Tensors of a layout that lie next to each other.
struct Slice {
  size_t begin = 0;
  size_t count = 0;

  [[nodiscard]] Tensors of(Tensors all) const { return all.subspan(begin, count); }
};

/// Which tensors lie in a flat vector, in which order. They come in named slices: the tensor `weight` of the slice
/// `branch.3` has the name `branch.3.weight`.
class Layout {
 public:
  Layout() = default;
  /// One slice without a name.
  explicit Layout(std::vector<TensorSpec> specs) : specs_(std::move(specs)) {}

  /// Appends a slice; `specs` are named within it.
  Slice add(const std::string& slice, const std::vector<TensorSpec>& specs);
  /// Throws INTERNAL where there is no such slice.
  [[nodiscard]] Slice slice(const std::string& name) const;

  [[nodiscard]] const std::vector<TensorSpec>& specs() const { return specs_; }
  /// How many numbers the flat vector has.
  [[nodiscard]] int64_t length() const;
  /// The tensors within `flat`: one differentiable split, no copy.
  [[nodiscard]] std::vector<at::Tensor> views(const at::Tensor& flat) const;

 private:
  std::vector<TensorSpec> specs_;
  std::map<std::string, Slice> slices_;
};

/// Appends the tensors under the names of their specs, after `prefix`.
void append_named(std::vector<NamedTensor>& to, const std::vector<TensorSpec>& specs, Tensors tensors,
                  const std::string& prefix = "");

/// Many named tensors in one flat vector, so that a step of an optimiser, or its adjoint, is one operation over it.
/// `views[i]` is the part of `flat` that holds tensor i, in its shape; copies share memory, as tensors do.
struct ParameterVector {
  Layout layout;
  at::Tensor flat;
  std::vector<at::Tensor> views;
};

/// All values are zero.
ParameterVector make_parameters(Layout layout, const at::TensorOptions& options);

/// Fills every tensor of `to` by name, casting and moving as needed.
/// Throws WEIGHTS_MISMATCH where one is missing or has another shape; ignores entries of other names.
void copy_by_name(const std::vector<NamedTensor>& to, const std::vector<NamedTensor>& from);
void copy_by_name(const std::vector<TensorSpec>& specs, Tensors to, const std::vector<NamedTensor>& from,
                  const std::string& prefix = "");

}  // namespace l2t
