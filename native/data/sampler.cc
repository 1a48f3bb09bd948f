#include "native/data/sampler.h"

#include <numeric>

#include "native/core/error.h"
#include "native/core/random.h"

namespace l2t::data {

Sampler::Sampler(int64_t count, int64_t size, int64_t batch, uint64_t seed)
    : count_(count), size_(size), batch_(batch), seed_(seed), steps_((count + batch - 1) / batch) {
  if (count < 2) {
    throw Error("INVALID_DATA",
                "Training needs at least two images, but the training set has " + std::to_string(count) + ".");
  }
  if (steps_ > 1 && count % batch == 1) --steps_;
}

const std::vector<int64_t>& Sampler::order(int64_t epoch) {
  auto& [of_epoch, images] = orders_[epoch % 2];
  if (epoch == of_epoch) return images;
  images.resize(count_);
  std::iota(images.begin(), images.end(), 0);
  Random random(seed_, static_cast<uint64_t>(Purpose::kOrder), epoch);
  for (int64_t i = count_ - 1; i > 0; --i) std::swap(images[i], images[random.below(i + 1)]);
  of_epoch = epoch;
  return images;
}

std::vector<int64_t> Sampler::positions(int64_t epoch, int64_t step) {
  const auto& images = order(epoch);
  return {images.begin() + begin(step), images.begin() + end(step)};
}

std::vector<Crop> Sampler::crops(int64_t epoch, int64_t step) const {
  const auto offsets = static_cast<uint64_t>(2 * crop_padding(size_) + 1);
  Random random(seed_, static_cast<uint64_t>(Purpose::kAugmentation), epoch * steps_ + step);
  std::vector<Crop> crops(end(step) - begin(step));
  for (auto& crop : crops) {
    crop.top = static_cast<int64_t>(random.below(offsets));
    crop.left = static_cast<int64_t>(random.below(offsets));
    crop.flip = random.below(2) == 1;
  }
  return crops;
}

Sampler::ResizedCrops Sampler::resized_crops(int64_t epoch, int64_t step) const {
  Random random(seed_, static_cast<uint64_t>(Purpose::kAugmentation), epoch * steps_ + step);
  const auto batch = static_cast<size_t>(end(step) - begin(step));
  ResizedCrops crops{std::vector<double>(batch * kDrawsPerCrop), std::vector<bool>(batch)};
  for (size_t b = 0; b < batch; ++b) {
    for (int64_t k = 0; k < kDrawsPerCrop; ++k) {
      // The upper 53 bits: every double of the grid 2⁻⁵³ in [0, 1).
      crops.draws[b * kDrawsPerCrop + k] = static_cast<double>(random.next() >> 11) * 0x1p-53;
    }
    crops.flips[b] = random.below(2) == 1;
  }
  return crops;
}

}  // namespace l2t::data
