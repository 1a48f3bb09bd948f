#include "native/data/image_set.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
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

at::Tensor random_crops(const at::Tensor& pixels, const std::vector<Crop>& crops) {
  const auto size = pixels.size(1);
  const auto batch = pixels.size(0);
  const auto padding = crop_padding(size);
  const auto padded = at::constant_pad_nd(pixels, {0, 0, padding, padding, padding, padding}, 0);
  const auto image = at::arange(batch, at::kLong).view({batch, 1, 1});
  auto y = at::empty({batch, size}, at::kLong);
  auto x = at::empty({batch, size}, at::kLong);
  auto* y_data = y.mutable_data_ptr<int64_t>();
  auto* x_data = x.mutable_data_ptr<int64_t>();
  for (int64_t b = 0; b < batch; ++b) {
    const auto& [top, left, flip] = crops[b];
    for (int64_t i = 0; i < size; ++i) {
      y_data[b * size + i] = top + i;
      x_data[b * size + i] = left + (flip ? size - 1 - i : i);
    }
  }
  const auto device = pixels.device();
  return at::index(padded, {image.to(device), y.to(device).unsqueeze(2), x.to(device).unsqueeze(1)});
}

at::Tensor mirror(const at::Tensor& pixels, const std::vector<bool>& flips) {
  auto flip = at::empty({static_cast<int64_t>(flips.size()), 1, 1, 1}, at::kBool);
  std::copy(flips.begin(), flips.end(), flip.mutable_data_ptr<bool>());
  return at::where(flip.to(pixels.device()), at::flip(pixels, {2}), pixels);
}

at::Tensor to_input(const at::Tensor& pixels, int64_t size, const Normalisation& normalisation) {
  auto images = pixels.permute({0, 3, 1, 2});
  if (images.size(2) != size) {
    images = at::_upsample_bilinear2d_aa(images, {size, size}, /*align_corners=*/false);
  }
  const auto mean = per_channel(normalisation.mean, pixels.device());
  const auto std = per_channel(normalisation.std, pixels.device());
  return ((images.to(at::kFloat) / 255 - mean) / std).contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace l2t::data
