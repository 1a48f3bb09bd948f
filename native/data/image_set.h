#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "native/core/fields.h"

namespace l2t::data {

/// Labelled images of one size: resident on the training device, or decoded batch by batch (batches.h).
struct ImageSet {
  at::Tensor pixels;  // uint8, N × S × S × 3; undefined: not resident
  at::Tensor labels;  // int64, N
  int64_t size;       // S

  [[nodiscard]] int64_t count() const { return labels.size(0); }
  [[nodiscard]] bool resident() const { return pixels.defined(); }
};

/// Per channel, of pixels scaled to [0, 1].
struct Normalisation {
  std::array<double, 3> mean;
  std::array<double, 3> std;

  static void fields(auto& self, auto&& visit) {
    visit("mean", self.mean, Within{-1e6, 1e6});
    visit("std", self.std, Within{1e-6, 1e6});
  }
};

/// Where a crop starts in the padded image and whether it is mirrored.
struct Crop {
  int64_t top;
  int64_t left;
  bool flip;
};

/// Width of the black border that a random crop adds first: an eighth of `size` (4 at 32 pixels), at least 1.
int64_t crop_padding(int64_t size);

/// Pads each image (uint8, B × S × S × 3) with black, cuts S × S out of it again and mirrors it, as its crop says.
at::Tensor random_crops(const at::Tensor& pixels, const std::vector<Crop>& crops);

/// Mirrors image b of `pixels` (uint8, B × S × S × 3) where flips[b] is true.
at::Tensor mirror(const at::Tensor& pixels, const std::vector<bool>& flips);

/// A network's input from pixels: uint8 B × S × S × 3 → float32 B × 3 × size × size, channels last in memory, resized
/// where S differs from `size` (antialiased bilinear), then normalised.
at::Tensor to_input(const at::Tensor& pixels, int64_t size, const Normalisation& normalisation);

}  // namespace l2t::data
