#pragma once
#include <ATen/core/Tensor.h>

#include <array>

#include "native/core/fields.h"
#include "native/core/names.h"

namespace l2t::data {

/// Labelled images of one size: resident on the training device, or decoded batch by batch (batches.h).
struct ImageSet {
  at::Tensor pixels;  // uint8, N × S × S × 3; undefined: not resident
  at::Tensor labels;  // int64, N
  int64_t size;       // S

  [[nodiscard]] int64_t count() const { return labels.size(0); }
  [[nodiscard]] bool resident() const { return pixels.defined(); }
};

/// Mean and deviation per channel, for pixels scaled to [0, 1].
struct Normalisation {
  std::array<double, 3> mean;
  std::array<double, 3> std;

  static void fields(auto& self, auto&& visit) {
    visit("mean", self.mean, Within{-1e6, 1e6});
    visit("std", self.std, Within{1e-6, 1e6});
  }
};

/// How training images are changed: not at all, or cropped and mirrored.
enum class Augment { kNone, kCropFlip };
constexpr auto names_of(Augment) { return std::array{"none", "crop-flip"}; }

/// A crop's corner in the padded image, and whether the crop is mirrored.
struct Crop {
  int64_t top;
  int64_t left;
  bool flip;
};

/// Width of the black border that a random crop adds first: an eighth of `size` (4 at 32 pixels), at least 1.
int64_t crop_padding(int64_t size);

/// Pads each image (uint8, B × S × S × 3) with black, cuts S × S out of it again from (top, left) on, and mirrors it
/// where `flip` is 1. `top`, `left` and `flip`: int64, B.
at::Tensor random_crops(const at::Tensor& pixels, const at::Tensor& top, const at::Tensor& left,
                        const at::Tensor& flip);

/// Mirrors image b of `pixels` (uint8, B × S × S × 3) where flip[b] is 1.
at::Tensor mirror(const at::Tensor& pixels, const at::Tensor& flip);

/// Antialiased bilinear resize of bytes (B × 3 × H × W), for devices where LibTorch has a kernel only for floats. The
/// result is float32, with the values of the CPU's bytes, or rarely one more or less.
at::Tensor resize_as_floats(const at::Tensor& images, int64_t size);

/// Makes a network's input from pixels: uint8 B × S × S × 3 → float32 B × 3 × size × size, channels last in memory,
/// resized where S differs from `size` (antialiased bilinear), then normalised.
class ToInput {
 public:
  ToInput(int64_t size, const Normalisation& normalisation, c10::Device device);

  [[nodiscard]] at::Tensor operator()(const at::Tensor& pixels) const;

 private:
  int64_t size_;
  at::Tensor mean_;  // 1 × 3 × 1 × 1
  at::Tensor std_;
};

}  // namespace l2t::data
