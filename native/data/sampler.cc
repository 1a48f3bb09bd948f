#include "native/data/sampler.h"

#include <numeric>

#include "native/core/error.h"

namespace l2t::data {

Sampler::Sampler(int64_t labelled, int64_t unlabelled, int64_t size, int64_t batch, uint64_t seed)
    : labelled_(labelled),
      unlabelled_(unlabelled),
      size_(size),
      batch_(batch),
      seed_(seed),
      steps_((labelled + batch - 1) / batch) {
  if (labelled < 2) {
    throw Error("INVALID_DATA",
                "Training needs at least two images, but the training set has " + std::to_string(labelled) + ".");
  }
  if (steps_ > 1 && labelled % batch == 1) --steps_;
}

const std::vector<int64_t>& Sampler::order(Kind kind, int64_t number) {
  const bool labelled = kind == Kind::kLabelled;
  auto& order = orders_[labelled ? 0 : 1][number % 2];
  if (number == order.number) return order.images;
  order.images.resize(labelled ? labelled_ : unlabelled_);
  std::iota(order.images.begin(), order.images.end(), 0);
  const auto purpose = labelled ? Purpose::kOrder : Purpose::kUnlabelledOrder;
  Random random(seed_, static_cast<uint64_t>(purpose), number);
  for (size_t i = order.images.size() - 1; i > 0; --i) std::swap(order.images[i], order.images[random.below(i + 1)]);
  order.number = number;
  return order.images;
}

std::vector<int64_t> Sampler::positions(Kind kind, int64_t epoch, int64_t step) {
  if (kind == Kind::kLabelled) {
    const auto& images = order(kind, epoch);
    return {images.begin() + begin(step), images.begin() + end(step)};
  }
  std::vector<int64_t> positions(images(step));
  auto k = epoch * labelled_ + begin(step);
  for (auto& position : positions) {
    position = order(kind, k / unlabelled_)[k % unlabelled_];
    ++k;
  }
  return positions;
}

Random Sampler::augmentation(Kind kind, int64_t epoch, int64_t step) const {
  const auto purpose = kind == Kind::kLabelled ? Purpose::kAugmentation : Purpose::kUnlabelledAugmentation;
  return {seed_, static_cast<uint64_t>(purpose), static_cast<uint64_t>(epoch * steps_ + step)};
}

std::vector<Crop> Sampler::crops(Kind kind, int64_t epoch, int64_t step) const {
  const auto offsets = static_cast<uint64_t>(2 * crop_padding(size_) + 1);
  auto random = augmentation(kind, epoch, step);
  std::vector<Crop> crops(images(step));
  for (auto& crop : crops) {
    crop.top = static_cast<int64_t>(random.below(offsets));
    crop.left = static_cast<int64_t>(random.below(offsets));
    crop.flip = random.below(2) == 1;
  }
  return crops;
}

Sampler::ResizedCrops Sampler::resized_crops(Kind kind, int64_t epoch, int64_t step) const {
  auto random = augmentation(kind, epoch, step);
  const auto batch = static_cast<size_t>(images(step));
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
