#pragma once
#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <utility>
#include <vector>

#include "native/backends/cpu/loops.h"

namespace l2t::backends::cpu {

using Doubles = std::vector<double>;

at::Tensor channels_last(const at::Tensor& map);

/// A map and its 2×2 max-pool (undefined where no max-pool follows); or the tangents of both, or their cotangents.
struct MapAndPool {
  at::Tensor map;
  at::Tensor pooled;
};

/// Slopes and constant of an affine combination of maps (B × C × H × H), in the maps' type.
template <class T>
class AffineOf {
 public:
  AffineOf(std::vector<at::Tensor> maps, int64_t channels);
  void set(int64_t channel, const Doubles& slopes, double constant);
  [[nodiscard]] Affine<T> get() const;

 private:
  std::vector<at::Tensor> maps_;
  std::vector<std::vector<T>> values_;
};

/// Transforms a convolution's maps and weights into the domain of its form, where the convolution is one product of
/// matrices for each frequency, and back. Each function uses all threads; loops.h has what one thread does.
template <class T>
class Domain {
 public:
  /// A product in the domain: `rows` (of x or ȳ, a row a tile) times `matrix` (of W, C_out × C_in).
  struct Term {
    const at::Tensor& rows;
    const at::Tensor& matrix;
  };
  using Terms = std::initializer_list<Term>;

  Domain(const Geometry& x, int64_t out, const at::TensorOptions& options);

  /// V = Bᵀ x B.
  [[nodiscard]] at::Tensor input(const at::Tensor& x) const;
  /// U = G W Gᵀ.
  [[nodiscard]] at::Tensor weights(const at::Tensor& w) const;
  /// Ȳ = A ȳ Aᵀ.
  [[nodiscard]] at::Tensor output_adjoint(const AffineOf<T>& y_bar) const;

  /// y = Aᵀ (Σ V Uᵀ) A over the terms (V, U), and by channel Σ y and Σ y u (u undefined: y).
  [[nodiscard]] std::pair<at::Tensor, std::vector<Doubles>> output(Terms terms, const at::Tensor& u) const;
  /// x̄ = B (Σ Ȳ U) Bᵀ over the terms (Ȳ, U).
  [[nodiscard]] at::Tensor input_adjoint(Terms terms) const;
  /// Writes W̄ = Gᵀ (Σ Ȳᵀ V) G over the terms (Ȳ, V).
  void weights_adjoint(Terms terms, const at::Tensor& w_bar) const;

  /// The affine map, gated by z (undefined unless Gate::kMask). With `pool` also its 2×2 max-pool; under Gate::kMask
  /// the pool takes the value at the place where z is greatest.
  [[nodiscard]] MapAndPool affine(const AffineOf<T>& from, Gate gate, const at::Tensor& z, bool pool) const;
  /// The cotangent of the map before its gate, from the cotangents of the gated map and of its max-pool (each may be
  /// undefined): zero where z ≤ 0 (z undefined: no gate). And by channel Σ y, Σ y u and, where given, Σ v v_with.
  [[nodiscard]] std::pair<at::Tensor, std::vector<Doubles>> gated_sums(MapAndPool y, const at::Tensor& z,
                                                                       const at::Tensor& u, const at::Tensor& v,
                                                                       const at::Tensor& v_with) const;

 private:
  [[nodiscard]] at::Tensor map(int64_t channels, int64_t side) const;
  [[nodiscard]] at::Tensor matrices(int64_t rows, int64_t width) const;
  template <class Read>
  void by_blocks(Terms terms, int64_t inner, int64_t width, bool transposed, const Read& read) const;

  const Loops<T>& loops_;
  Geometry x_;
  Geometry y_;
  int64_t rows_;  // of all images
  int64_t in_;    // columns of V and U
  int64_t out_;   // of Ȳ
  at::TensorOptions options_;
};

}  // namespace l2t::backends::cpu
