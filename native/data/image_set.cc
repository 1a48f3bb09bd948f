#include "native/data/image_set.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/index.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>

namespace l2t::data {
namespace {

at::Tensor per_channel(const std::array<double, 3>& values, const at::Device& device) {
  const auto tensor = at::tensor(at::ArrayRef<double>(values), at::kDouble);
  return tensor.to(at::kFloat).view({1, 3, 1, 1}).to(device);
}

}  // namespace

int64_t crop_padding(int64_t size) { return std::max<int64_t>(1, size / 8); }

at::Tensor random_crops(const at::Tensor& pixels, const at::Tensor& top, const at::Tensor& left,
                        const at::Tensor& flip) {
  const auto size = pixels.size(1);
  const auto batch = pixels.size(0);
  const auto padding = crop_padding(size);
  const auto padded = at::constant_pad_nd(pixels, {0, 0, padding, padding, padding, padding}, 0);
  const auto image = at::arange(batch, top.options()).view({batch, 1, 1});
  const auto place = at::arange(size, top.options());
  const auto y = top.unsqueeze(1) + place;
  // A mirrored crop is read from the right.
  const auto x = left.unsqueeze(1) + place + flip.unsqueeze(1) * (size - 1 - 2 * place);
  return at::index(padded, {image, y.unsqueeze(2), x.unsqueeze(1)});
}

at::Tensor mirror(const at::Tensor& pixels, const at::Tensor& flip) {
  return at::where(flip.to(at::kBool).view({-1, 1, 1, 1}), at::flip(pixels, {2}), pixels);
}

at::Tensor resize_as_floats(const at::Tensor& images, int64_t size) {
  // The kernel for bytes resizes the rows first, then the columns, and rounds half up after each.
  const auto rounded = [](const at::Tensor& values, int64_t height, int64_t width) {
    return at::_upsample_bilinear2d_aa(values, {height, width}, /*align_corners=*/false).add_(0.5).floor_();
  };
  return rounded(rounded(images.to(at::kFloat), images.size(2), size), size, size);
}

ToInput::ToInput(int64_t size, const Normalisation& normalisation, c10::Device device)
    : size_(size), mean_(per_channel(normalisation.mean, device)), std_(per_channel(normalisation.std, device)) {}

at::Tensor ToInput::operator()(const at::Tensor& pixels) const {
  auto images = pixels.permute({0, 3, 1, 2});
  if (images.size(2) != size_) {
    images = images.is_cpu() ? at::_upsample_bilinear2d_aa(images, {size_, size_}, /*align_corners=*/false)
                             : resize_as_floats(images, size_);
  }
  return ((images.to(at::kFloat) / 255 - mean_) / std_).contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace l2t::data
