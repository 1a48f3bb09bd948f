#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "native/data/image_set.h"

namespace l2t::data {

/// Ten tries of four numbers: area, proportions, top, left (src/data/random-resized-crop.ts).
constexpr int64_t kDrawsPerCrop = 40;

/// The order of an epoch's images, and their crops. Both are functions of (seed, epoch, position) alone, so
/// a run that resumes in the middle of an epoch needs only its position.
class Sampler {
 public:
  /// `count` images of side `size` in batches of `batch`. Throws INVALID_DATA for fewer than two images.
  Sampler(int64_t count, int64_t size, int64_t batch, uint64_t seed);

  /// Batches in an epoch: the last short one is used; a remainder of a single image joins the batch before it.
  [[nodiscard]] int64_t steps() const { return steps_; }
  /// How many images batch `step` has.
  [[nodiscard]] int64_t images(int64_t step) const { return end(step) - begin(step); }

  /// Positions (0 … count − 1) of batch `step` of `epoch`; each epoch has a new permutation.
  std::vector<int64_t> positions(int64_t epoch, int64_t step);

  /// One crop for each image of that batch: an offset in 0 … 2·crop_padding each way, mirrored half of the time.
  [[nodiscard]] std::vector<Crop> crops(int64_t epoch, int64_t step) const;

  /// For random resized crops of that batch, whose boxes depend on each image's own sides: for each image kDrawsPerCrop
  /// uniform numbers in [0, 1), and whether it is mirrored.
  struct ResizedCrops {
    std::vector<double> draws;
    std::vector<bool> flips;
  };
  [[nodiscard]] ResizedCrops resized_crops(int64_t epoch, int64_t step) const;

 private:
  /// The order of an epoch's images. Around an epoch's end, batches of two epochs are asked for in turn.
  struct Order {
    int64_t epoch = -1;
    std::vector<int64_t> images;
  };
  const std::vector<int64_t>& order(int64_t epoch);
  [[nodiscard]] int64_t begin(int64_t step) const { return step * batch_; }
  [[nodiscard]] int64_t end(int64_t step) const { return step + 1 == steps_ ? count_ : (step + 1) * batch_; }

  int64_t count_;
  int64_t size_;
  int64_t batch_;
  uint64_t seed_;
  int64_t steps_;
  std::array<Order, 2> orders_;  // of even and of odd epochs
};

}  // namespace l2t::data
