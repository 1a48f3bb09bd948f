#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/backends/cpu/loops_gram.h"

namespace l2t::backends::cpu {

/// A resize's matrix for one axis.
template <class T>
class Resize {
 public:
  /// `to` is not less than `from`.
  Resize(int64_t from, int64_t to);

  [[nodiscard]] int64_t from() const { return from_; }
  /// Checks whether the resize changes nothing.
  [[nodiscard]] bool same() const { return from_ == to_; }
  [[nodiscard]] Axis<T> axis() const { return {from_, to_, first_.data(), weight_.data()}; }
  /// Rᵀ 1.
  [[nodiscard]] std::vector<double> sums() const;
  /// The diagonal of Rᵀ R, and the one beside it; all others are zero.
  struct Band {
    std::vector<double> diagonal;
    std::vector<double> beside;
  };
  [[nodiscard]] Band square() const;

 private:
  int64_t from_;
  int64_t to_;
  std::vector<int64_t> first_;
  std::vector<T> weight_;
};

/// A source map, channels last.
struct GramSource {
  at::Tensor map;
  int64_t begin;  // its first channel among those of all maps
  [[nodiscard]] int64_t channels() const { return map.size(1); }
};

/// The source maps of one size.
template <class T>
struct GramSize {
  Resize<T> resize;
  std::vector<GramSource> sources;
};

/// The source maps as the Gram form reads them, for a target's map of one side: the maps by size, none larger than the
/// target's; and for each image and channel (B × C) ⟨p, S⟩ and u.
template <class T>
struct GramSources {
  GramSources(const std::vector<at::Tensor>& maps, int64_t side);

  std::vector<GramSize<T>> sizes;  // the smallest first
  int64_t channels = 0;
  std::vector<double> p_s;
  std::vector<double> u;

 private:
  void take_sums(const GramSize<T>& size);
};

}  // namespace l2t::backends::cpu
