#pragma once
#include <algorithm>
#include <cstdint>

#include "native/backends/cuda/launch.h"

/// The frame of batch norm's kernels: sums over the places of each channel, then an affine map of the places, whose
/// coefficients follow from the sums. Maps are channels last: rows × C, a row for each place of each image.
namespace l2t::backends::cuda {

/// The places of a map in cells: single places or, where a 2×2 max-pool follows, its windows of four.
struct Cells {
  int64_t count;
  int64_t side;  // of the map; even where the cells are windows
  bool windows;

  L2T_BODY int places() const { return windows ? 4 : 1; }
  /// The row of place k of a cell; a window's places are numbered row by row, as max-pool looks at them.
  L2T_BODY int64_t row(int64_t cell, int k) const {
    if (!windows) return cell;
    const int64_t half = side / 2;
    return (2 * (cell / half) + k / 2) * side + 2 * (cell % half) + k % 2;
  }
};

/// How the sums of a channel are split: a thread sums a chunk of cells, then one sums a group of chunks, then one sums
/// the groups.
struct SumPlan {
  int64_t channels;
  int64_t cells;
  int64_t chunks;
  int64_t per_chunk;
  int64_t groups;
  int64_t per_group;

  /// Plans enough threads to keep a large GPU busy, and enough cells a thread.
  static SumPlan make(int64_t channels, int64_t cells) {
    constexpr int64_t kThreads = 1 << 16;
    constexpr int64_t kFewestCells = 8;
    constexpr int64_t kMostChunks = 1024;
    constexpr int64_t kGroup = 32;
    const auto split = [](int64_t n, int64_t parts) { return (n + parts - 1) / parts; };
    const auto wanted = std::clamp(std::min(kThreads / channels, cells / kFewestCells), int64_t{1}, kMostChunks);
    const auto per_chunk = split(cells, wanted);
    const auto chunks = split(cells, per_chunk);
    return {channels, cells, chunks, per_chunk, split(chunks, kGroup), kGroup};
  }

  /// How many numbers the partial sums of `sums` sums take.
  [[nodiscard]] int64_t scratch(int sums) const { return (chunks + groups) * channels * sums; }
};

/// A kernel from a sweep of batch norm, which has
///
///   kSums, and Real, the type of the maps
///   void add(c, cell, Real* sums)          adds a cell's share
///   void finish(c, const double* sums)     writes results and coefficients of a channel
///   at(c)                                  reads the coefficients
///   void apply(coefficients, c, cell)      writes the results of a cell
template <class Sweep>
struct SumsThenMap {
  static constexpr const char* kName = Sweep::kName;
  static constexpr int kPhases = 4;
  using Real = typename Sweep::Real;

  Sweep sweep;
  SumPlan plan;
  double* partials;  // chunks × kSums × C, then groups × kSums × C

  L2T_BODY int64_t threads(int phase) const {
    if (phase == 1) return plan.groups * plan.channels;
    return phase == 2 ? plan.channels : plan.chunks * plan.channels;
  }

  L2T_BODY void run(int phase, int64_t i) const {
    const int64_t part = i / plan.channels;
    const int64_t c = i % plan.channels;
    if (phase == 0) sum_chunk(part, c);
    if (phase == 1) sum_parts(chunk_sums(), part * plan.per_group, plan.chunks, c, group_sums() + index(part, 0, c));
    if (phase == 2) finish(c);
    if (phase == 3) apply(part, c);
  }

 private:
  L2T_BODY double* chunk_sums() const { return partials; }
  L2T_BODY double* group_sums() const { return partials + index(plan.chunks, 0, 0); }
  L2T_BODY int64_t index(int64_t part, int k, int64_t c) const { return (part * Sweep::kSums + k) * plan.channels + c; }
  L2T_BODY int64_t begin(int64_t chunk) const { return chunk * plan.per_chunk; }
  L2T_BODY int64_t end(int64_t chunk) const {
    const int64_t next = begin(chunk + 1);
    return next < plan.cells ? next : plan.cells;
  }

  /// Sums a chunk in the maps' own type, since a chunk is short.
  L2T_BODY void sum_chunk(int64_t chunk, int64_t c) const {
    Real sums[Sweep::kSums] = {};
    for (int64_t cell = begin(chunk); cell < end(chunk); ++cell) sweep.add(c, cell, sums);
    for (int k = 0; k < Sweep::kSums; ++k) chunk_sums()[index(chunk, k, c)] = sums[k];
  }

  /// Sums per_group parts from `first` on, in order; `to` has a stride of C.
  L2T_BODY void sum_parts(const double* parts, int64_t first, int64_t count, int64_t c, double* to) const {
    const int64_t last = first + plan.per_group < count ? first + plan.per_group : count;
    for (int k = 0; k < Sweep::kSums; ++k) {
      double sum = 0;
      for (int64_t part = first; part < last; ++part) sum += parts[index(part, k, c)];
      to[k * plan.channels] = sum;
    }
  }

  L2T_BODY void finish(int64_t c) const {
    double sums[Sweep::kSums] = {};
    for (int64_t group = 0; group < plan.groups; ++group) {
      for (int k = 0; k < Sweep::kSums; ++k) sums[k] += group_sums()[index(group, k, c)];
    }
    sweep.finish(c, sums);
  }

  L2T_BODY void apply(int64_t chunk, int64_t c) const {
    const auto coefficients = sweep.at(c);
    for (int64_t cell = begin(chunk); cell < end(chunk); ++cell) sweep.apply(coefficients, c, cell);
  }
};

}  // namespace l2t::backends::cuda
