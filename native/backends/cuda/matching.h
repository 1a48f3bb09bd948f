#pragma once
#include "native/backends/cuda/launch.h"

/// Bodies of the matching loss at one map (terms/matching.cc). Maps are channels last, B·HW × C; k: B × C. A thread
/// sums a chunk of an image's places for one channel.
namespace l2t::backends::cuda {

struct MatchedMaps {
  int64_t images;
  int64_t channels;
  int64_t places;     // of an image
  int64_t per_chunk;  // places
  int64_t chunks;     // of an image

  static MatchedMaps make(int64_t images, int64_t channels, int64_t places) {
    constexpr int64_t kThreads = 1 << 16;
    constexpr int64_t kFewestPlaces = 8;
    const int64_t enough = (images * channels * places + kThreads - 1) / kThreads;
    const int64_t at_least = enough < kFewestPlaces ? kFewestPlaces : enough;
    const int64_t per_chunk = at_least < places ? at_least : places;
    return {images, channels, places, per_chunk, (places + per_chunk - 1) / per_chunk};
  }

  L2T_BODY int64_t threads() const { return images * chunks * channels; }
  L2T_BODY int64_t channel(int64_t thread) const { return thread % channels; }
  L2T_BODY int64_t image(int64_t thread) const { return thread / channels / chunks; }
  /// The first element of the thread's chunk, and the one after its last; the next place is `channels` further.
  L2T_BODY int64_t begin(int64_t thread) const { return element(thread, thread / channels % chunks * per_chunk); }
  L2T_BODY int64_t end(int64_t thread) const {
    const int64_t last = (thread / channels % chunks + 1) * per_chunk;
    return element(thread, last < places ? last : places);
  }

 private:
  L2T_BODY int64_t element(int64_t thread, int64_t place) const {
    return (image(thread) * places + place) * channels + channel(thread);
  }
};

/// L, and D̄ in the place of W T + b.
template <class T>
struct MatchingGradient {
  static constexpr const char* kName = "matching_gradient";
  static constexpr int kPhases = 3;
  static constexpr int64_t kSums = 256;  // of the chunks' losses

  MatchedMaps maps;
  const T* source;  // S
  const T* k;
  T* d;              // in: W T + b; out: D̄
  double* partials;  // a loss for each chunk, then kSums
  T* loss;

  [[nodiscard]] static int64_t scratch(const MatchedMaps& maps) { return maps.threads() + kSums; }

  L2T_BODY int64_t threads(int phase) const {
    if (phase == 1) return kSums;
    return phase == 0 ? maps.threads() : 1;
  }

  L2T_BODY void run(int phase, int64_t i) const {
    if (phase == 0) {
      chunk(i);
      return;
    }
    // Each thread sums every kSums-th of what the phase before wrote; the last one sums all.
    const int64_t begin = phase == 1 ? i : maps.threads();
    const int64_t end = phase == 1 ? maps.threads() : maps.threads() + kSums;
    double sum = 0;
    for (int64_t j = begin; j < end; j += phase == 1 ? kSums : 1) sum += partials[j];
    if (phase == 1) {
      partials[maps.threads() + i] = sum;
    } else {
      *loss = static_cast<T>(sum / static_cast<double>(maps.places));
    }
  }

 private:
  L2T_BODY void chunk(int64_t i) const {
    const T weight = k[maps.image(i) * maps.channels + maps.channel(i)];
    const T scale = weight * static_cast<T>(2.0 / static_cast<double>(maps.places));
    T sum = 0;
    for (int64_t j = maps.begin(i); j < maps.end(i); j += maps.channels) {
      const T difference = d[j] - source[j];
      sum += difference * difference;
      d[j] = scale * difference;
    }
    partials[i] = static_cast<double>(weight) * static_cast<double>(sum);
  }
};

/// ė and, where `product`, D̄ in the place of W T + b and D̄̇ in the place of W Ṫ.
template <class T>
struct MatchingTangent {
  static constexpr const char* kName = "matching_tangent";
  static constexpr int kPhases = 2;

  MatchedMaps maps;
  bool product;
  const T* source;
  const T* k;
  T* d;              // in: W T + b; out: D̄
  T* d_dot;          // in: W Ṫ; out: D̄̇
  const T* d_dot_2;  // Ẇ T + ḃ
  double* partials;  // one for each chunk
  T* e_dot;          // B × C

  L2T_BODY int64_t threads(int phase) const { return phase == 0 ? maps.threads() : maps.images * maps.channels; }

  L2T_BODY void run(int phase, int64_t i) const {
    if (phase == 0) {
      chunk(i);
      return;
    }
    const int64_t image = i / maps.channels;
    const int64_t c = i % maps.channels;
    double sum = 0;
    for (int64_t chunk = 0; chunk < maps.chunks; ++chunk) {
      sum += partials[(image * maps.chunks + chunk) * maps.channels + c];
    }
    e_dot[i] = static_cast<T>(sum * 2 / static_cast<double>(maps.places));
  }

 private:
  L2T_BODY void chunk(int64_t i) const {
    const T scale =
        k[maps.image(i) * maps.channels + maps.channel(i)] * static_cast<T>(2.0 / static_cast<double>(maps.places));
    T sum = 0;
    for (int64_t j = maps.begin(i); j < maps.end(i); j += maps.channels) {
      const T difference = d[j] - source[j];
      const T difference_dot = d_dot[j] + d_dot_2[j];
      sum += difference * difference_dot;
      if (!product) continue;
      d[j] = scale * difference;
      d_dot[j] = scale * difference_dot;
    }
    partials[i] = sum;
  }
};

}  // namespace l2t::backends::cuda
