#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "native/core/random.h"
#include "native/data/image_set.h"

namespace l2t::data {

/// Ten tries of four numbers: area, proportions, top, left (src/data/random-resized-crop.ts).
constexpr int64_t kDrawsPerCrop = 40;

/// Which images a batch has: those with labels, or those without.
enum class Kind { kLabelled, kUnlabelled };

/// The order of a run's images, and their crops. Both are functions of (seed, epoch, position) alone, so
/// a run that resumes in the middle of an epoch needs only its position.
class Sampler {
 public:
  /// `labelled` images of side `size` in batches of `batch`; with `unlabelled` ones, as many of them join each batch.
  /// Throws INVALID_DATA for fewer than two labelled images.
  Sampler(int64_t labelled, int64_t unlabelled, int64_t size, int64_t batch, uint64_t seed);

  /// Batches in an epoch, a pass over the labelled images: the last short one is used; a remainder of a single image
  /// joins the batch before it.
  [[nodiscard]] int64_t steps() const { return steps_; }
  /// How many images of each kind batch `step` has.
  [[nodiscard]] int64_t images(int64_t step) const { return end(step) - begin(step); }

  /// Positions of a kind's images in batch `step` of `epoch`. Each epoch has a new permutation of the labelled ones. Of
  /// the U unlabelled ones, the k-th image of the run is entry k mod U of permutation ⌊k/U⌋.
  std::vector<int64_t> positions(Kind kind, int64_t epoch, int64_t step);

  /// One crop for each of these images: an offset in 0 … 2·crop_padding each way, mirrored half of the time.
  [[nodiscard]] std::vector<Crop> crops(Kind kind, int64_t epoch, int64_t step) const;

  /// For random resized crops of these images, whose boxes depend on each image's own sides: for each image
  /// kDrawsPerCrop uniform numbers in [0, 1), and whether it is mirrored.
  struct ResizedCrops {
    std::vector<double> draws;
    std::vector<bool> flips;
  };
  [[nodiscard]] ResizedCrops resized_crops(Kind kind, int64_t epoch, int64_t step) const;

 private:
  /// Permutation `number` of a kind's images.
  struct Order {
    int64_t number = -1;
    std::vector<int64_t> images;
  };
  const std::vector<int64_t>& order(Kind kind, int64_t number);
  [[nodiscard]] Random augmentation(Kind kind, int64_t epoch, int64_t step) const;
  [[nodiscard]] int64_t begin(int64_t step) const { return step * batch_; }
  [[nodiscard]] int64_t end(int64_t step) const { return step + 1 == steps_ ? labelled_ : (step + 1) * batch_; }

  int64_t labelled_;
  int64_t unlabelled_;
  int64_t size_;
  int64_t batch_;
  uint64_t seed_;
  int64_t steps_;
  // Each kind has an even and an odd one: where one permutation ends, batches of two are asked for in turn.
  std::array<std::array<Order, 2>, 2> orders_;
};

}  // namespace l2t::data
