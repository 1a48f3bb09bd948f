// LibTorch's `meta` device has shapes and no values. For these operations LibTorch has `meta` kernels in Python only;
// these are for a C++ program, so that a whole iteration can run on `meta`. Signatures are the dispatcher's.
// NOLINTBEGIN(performance-unnecessary-value-param)
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <array>
#include <optional>
#include <tuple>

namespace {

using at::IntArrayRef;
using at::SymIntArrayRef;
using at::Tensor;
using Optional = const std::optional<Tensor>&;
using Three = std::tuple<Tensor, Tensor, Tensor>;

Tensor per_channel(const Tensor& x) { return at::empty({x.size(1)}, x.options()); }

Tensor convolution(const Tensor& x, const Tensor& w, Optional /*b*/, SymIntArrayRef stride, SymIntArrayRef padding,
                   SymIntArrayRef /*dilation*/, bool /*transposed*/, SymIntArrayRef /*output_padding*/,
                   c10::SymInt /*groups*/) {
  const auto side = [&](int64_t dim) {
    const auto step = stride[0].expect_int();
    return (x.size(dim) + 2 * padding[0].expect_int() - w.size(dim)) / step + 1;
  };
  return at::empty({x.size(0), w.size(0), side(2), side(3)}, x.options(), at::MemoryFormat::ChannelsLast);
}

Three convolution_backward(const Tensor& y_bar, const Tensor& x, const Tensor& w, at::OptionalSymIntArrayRef /*bias*/,
                           SymIntArrayRef /*stride*/, SymIntArrayRef /*padding*/, SymIntArrayRef /*dilation*/,
                           bool /*transposed*/, SymIntArrayRef /*output_padding*/, c10::SymInt /*groups*/,
                           std::array<bool, 3> wanted) {
  return {wanted[0] ? at::empty_like(x) : Tensor(), wanted[1] ? at::empty_like(w) : Tensor(),
          wanted[2] ? per_channel(y_bar) : Tensor()};
}

Three batch_norm(const Tensor& x, Optional /*scale*/, Optional /*shift*/, Optional /*mean*/, Optional /*variance*/,
                 bool training, double /*momentum*/, double /*epsilon*/) {
  const auto statistics = [&] { return training ? per_channel(x) : at::empty({0}, x.options()); };
  return {at::empty_like(x), statistics(), statistics()};
}

Three batch_norm_backward(const Tensor& /*y_bar*/, const Tensor& x, Optional /*scale*/, Optional /*running_mean*/,
                          Optional /*running_variance*/, Optional /*mean*/, Optional /*invstd*/, bool /*train*/,
                          double /*epsilon*/, std::array<bool, 3> wanted) {
  return {wanted[0] ? at::empty_like(x) : Tensor(), wanted[1] ? per_channel(x) : Tensor(),
          wanted[2] ? per_channel(x) : Tensor()};
}

Tensor hardtanh(const Tensor& x, const at::Scalar& /*least*/, const at::Scalar& /*most*/) { return at::empty_like(x); }
Tensor relu(const Tensor& x) { return at::empty_like(x); }
Tensor& relu_in_place(Tensor& x) { return x; }

}  // namespace
// NOLINTEND(performance-unnecessary-value-param)

TORCH_LIBRARY_IMPL(aten, Meta, library) {
  library.impl("convolution", convolution);
  library.impl("convolution_backward", convolution_backward);
  library.impl("hardtanh", hardtanh);
  library.impl("relu", relu);
  library.impl("relu_", relu_in_place);
  library.impl("native_batch_norm", batch_norm);
  library.impl("native_batch_norm_backward", batch_norm_backward);
}
