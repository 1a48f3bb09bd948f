// LibTorch's operations on the fake device. Most fall back to the CPU's kernel; here are those whose fallback
// LibTorch lacks, or would compute wrongly. Signatures are the dispatcher's.
// NOLINTBEGIN(performance-unnecessary-value-param, bugprone-return-const-ref-from-parameter)
#include <ATen/EmptyTensor.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_local_scalar_dense.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_cpu_dispatch.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/view_native.h>
#include <c10/core/DeviceGuard.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "test/native/device/counts.h"
#include "test/native/device/fake_device.h"
#include "test/native/device/opened.h"

namespace l2t::test {
namespace {

using at::IntArrayRef;
using at::SymIntArrayRef;
using at::Tensor;
using Optional = const std::optional<Tensor>&;
using Three = std::tuple<Tensor, Tensor, Tensor>;

constexpr c10::DispatchKeySet kKeys(c10::DispatchKey::PrivateUse1);

Tensor value_or_undefined(Optional tensor) { return tensor.value_or(Tensor()); }

// New tensors and views: no operation.

Tensor empty(IntArrayRef size, std::optional<at::ScalarType> type, std::optional<at::Layout> /*layout*/,
             std::optional<at::Device> device, std::optional<bool> /*pinned*/, std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(c10::device_or_default(device));
  return at::detail::empty_generic(size, &device_allocator(), kKeys, c10::dtype_or_default(type), format);
}

Tensor empty_strided(IntArrayRef size, IntArrayRef stride, std::optional<at::ScalarType> type,
                     std::optional<at::Layout> /*layout*/, std::optional<at::Device> device,
                     std::optional<bool> /*pinned*/) {
  const c10::DeviceGuard guard(c10::device_or_default(device));
  return at::detail::empty_strided_generic(size, stride, &device_allocator(), kKeys, c10::dtype_or_default(type));
}

Tensor view(const Tensor& tensor, SymIntArrayRef size) {
  return at::native::view(tensor, C10_AS_INTARRAYREF_SLOW(size));
}

Tensor as_strided(const Tensor& tensor, SymIntArrayRef size, SymIntArrayRef stride, std::optional<c10::SymInt> offset) {
  return at::cpu::as_strided_symint(tensor, size, stride, std::move(offset));
}

Tensor reshape_alias(const Tensor& tensor, SymIntArrayRef size, SymIntArrayRef stride) {
  return at::native::_reshape_alias(tensor, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
}

/// Grows the memory where it must; does not keep what was in it, since LibTorch only resizes results.
const Tensor& resize(const Tensor& tensor, IntArrayRef size, std::optional<at::MemoryFormat> /*format*/) {
  tensor.unsafeGetTensorImpl()->set_sizes_contiguous(size);
  const auto bytes = tensor.numel() * tensor.itemsize();
  auto* const storage = tensor.storage().unsafeGetStorageImpl();
  if (static_cast<size_t>(bytes) > storage->nbytes()) {
    const c10::DeviceGuard guard(tensor.device());
    storage->set_data_ptr_noswap(device_allocator().allocate(bytes));
    storage->set_nbytes(bytes);
  }
  return tensor;
}

// Copies and reads.

/// Checks whether the host must wait until the copy is done.
bool waits(const Tensor& from, const Tensor& to, bool non_blocking) {
  if (!from.is_cpu() && !to.is_cpu()) return false;
  const auto& host = from.is_cpu() ? from : to;
  return !non_blocking || !is_pinned(host.storage().data());
}

Tensor copy_from(const Tensor& from, const Tensor& to, bool non_blocking) {
  count_copy(from.device(), to.device());
  if (waits(from, to, non_blocking)) count_wait();
  const Opened opened({from, to});
  host_alias(to).copy_(host_alias(from));
  return to;
}

Tensor copy_from_and_resize(const Tensor& from, const Tensor& to) {
  if (to.sizes() != from.sizes()) to.resize_(from.sizes());
  return copy_from(from, to, /*non_blocking=*/false);
}

/// Computes item() and all operations that call it.
at::Scalar local_scalar_dense(const Tensor& tensor) {
  count_copy(tensor.device(), at::kCPU);
  count_wait();
  const Opened opened(tensor);
  return at::_local_scalar_dense(host_alias(tensor));
}

// Operations by hand.

Tensor convolution(const Tensor& x, const Tensor& w, Optional b, IntArrayRef stride, IntArrayRef padding,
                   IntArrayRef dilation, bool transposed, IntArrayRef output_padding, int64_t groups) {
  const Operation operation("aten::convolution");
  const auto bias = value_or_undefined(b);
  const Opened opened({x, w, bias});
  return at::convolution(host_alias(x), host_alias(w), host_alias(bias), stride, padding, dilation, transposed,
                         output_padding, groups)
      .to(x.device());
}

Tensor to_device(const Tensor& tensor, c10::Device device) { return tensor.defined() ? tensor.to(device) : tensor; }

Three convolution_backward(const Tensor& y_bar, const Tensor& x, const Tensor& w, IntArrayRef stride,
                           IntArrayRef padding, IntArrayRef dilation, bool transposed, IntArrayRef output_padding,
                           int64_t groups, std::array<bool, 3> output_mask) {
  const Operation operation("aten::convolution_backward");
  const Opened opened({y_bar, x, w});
  const auto [x_bar, w_bar, b_bar] =
      at::convolution_backward(host_alias(y_bar), host_alias(x), host_alias(w), IntArrayRef{y_bar.size(1)}, stride,
                               padding, dilation, transposed, output_padding, groups, output_mask);
  return {to_device(x_bar, x.device()), to_device(w_bar, x.device()), to_device(b_bar, x.device())};
}

/// By hand, since it writes the running statistics and its schema does not say so: a fallback would lose them.
Three batch_norm(const Tensor& x, Optional scale, Optional shift, Optional running_mean, Optional running_var,
                 bool training, double momentum, double epsilon) {
  const Operation operation("aten::native_batch_norm");
  const std::array<Tensor, 4> rest{value_or_undefined(scale), value_or_undefined(shift),
                                   value_or_undefined(running_mean), value_or_undefined(running_var)};
  const Opened opened({x, rest[0], rest[1], rest[2], rest[3]});
  const auto [y, mean, invstd] =
      at::native_batch_norm(host_alias(x), host_alias(rest[0]), host_alias(rest[1]), host_alias(rest[2]),
                            host_alias(rest[3]), training, momentum, epsilon);
  return {y.to(x.device()), mean.to(x.device()), invstd.to(x.device())};
}

// All other operations.

/// The tensors among an operation's arguments.
std::vector<Tensor> tensors_of(const torch::jit::Stack& stack, size_t arguments) {
  std::vector<Tensor> tensors;
  for (const auto& value : torch::jit::last(stack, arguments)) {
    if (value.isTensor()) {
      tensors.push_back(value.toTensor());
    } else if (value.isTensorList()) {
      for (const auto& tensor : value.toTensorVector()) tensors.push_back(tensor);
    } else if (value.isOptionalTensorList()) {
      for (const std::optional<Tensor> tensor : value.toOptionalTensorList())
        tensors.push_back(value_or_undefined(tensor));
    }
  }
  return tensors;
}

/// Refuses what a GPU would: a kernel there reads no tensor of the host but for single numbers, and LibTorch has none
/// that resizes bytes.
void require_gpu_can(const std::string& name, const std::vector<Tensor>& tensors) {
  for (const auto& tensor : tensors) {
    TORCH_CHECK(!tensor.defined() || tensor.is_privateuseone() || tensor.dim() == 0, name,
                " reads a tensor of the host.");
  }
  TORCH_CHECK(name != "aten::_upsample_bilinear2d_aa" || tensors.front().is_floating_point(), name,
              " has no kernel for bytes on a GPU.");
}

/// Checks whether the host must wait for an operation: its result is no tensor, or its shape depends on values.
bool answers_host(const c10::FunctionSchema& schema) {
  static const std::set<std::string> shaped_by_values{"aten::nonzero", "aten::masked_select", "aten::_unique2"};
  const auto& results = schema.returns();
  return shaped_by_values.count(schema.name()) > 0 ||
         std::any_of(results.begin(), results.end(), [](const auto& result) {
           return result.type()->kind() != c10::TypeKind::TensorType &&
                  result.type()->kind() != c10::TypeKind::ListType;
         });
}

/// LibTorch's mse_loss passes a result of another shape to its out= form, and warns when the fallback resizes it.
class NoWarnings final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& /*warning*/) override {}
};

void fall_back(const c10::OperatorHandle& handle, torch::jit::Stack* stack) {
  const auto& schema = handle.schema();
  if (answers_host(schema)) {
    count_copy(fake_device(), at::kCPU);
    count_wait();
  }
  const Operation operation(schema.name());
  const auto tensors = tensors_of(*stack, schema.arguments().size());
  require_gpu_can(schema.name(), tensors);
  const Opened opened(tensors);
  static NoWarnings no_warnings;
  const c10::WarningUtils::WarningHandlerGuard guard(&no_warnings);
  at::native::cpu_fallback(handle, stack);
}

}  // namespace

// NOLINTEND(performance-unnecessary-value-param, bugprone-return-const-ref-from-parameter)
TORCH_LIBRARY_IMPL(_, PrivateUse1, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&fall_back>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("view", view);
  library.impl("as_strided", as_strided);
  library.impl("_reshape_alias", reshape_alias);
  library.impl("resize_", resize);
  library.impl("_copy_from", copy_from);
  library.impl("_copy_from_and_resize", copy_from_and_resize);
  library.impl("_local_scalar_dense", local_scalar_dense);
  library.impl("convolution_overrideable", convolution);
  library.impl("convolution_backward_overrideable", convolution_backward);
  library.impl("native_batch_norm", batch_norm);
}

}  // namespace l2t::test
