#pragma once
#include <cstdint>

namespace l2t {

/// A counter-based generator: splitmix64 (Steele, Lea & Flood 2014) over a key. Draw n of a key is a function of
/// (key, n) alone, so it need not be saved: a resumed run computes it again from seed, purpose and position.
class Random {
 public:
  Random(uint64_t seed, uint64_t purpose, uint64_t position)
      : state_(mix(mix(mix(seed) ^ (purpose * kStride)) ^ (position * kStride))) {}

  uint64_t next() { return mix(state_ += kStride); }

  /// Uniform on 0 … bound−1, without modulo bias (rejection).
  uint64_t below(uint64_t bound) {
    const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t draw = next();
    while (draw >= limit) draw = next();
    return draw % bound;
  }

 private:
  static constexpr uint64_t kStride = 0x9E3779B97F4A7C15ULL;
  static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

/// The purpose of a draw: each has its own sequence.
enum class Purpose : uint64_t {
  kTarget = 1,
  kBranches,
  kMetaNetworks,
  kOrder,
  kAugmentation,
  kHead,
  kUnlabelledOrder,
  kUnlabelledAugmentation
};

}  // namespace l2t
