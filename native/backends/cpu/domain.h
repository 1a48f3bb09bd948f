#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <initializer_list>
#include <utility>
#include <vector>

#include "native/backends/cpu/loops.h"
#include "native/backends/unit.h"

namespace l2t::backends::cpu {

using Doubles = std::vector<double>;

/// Slopes and constant of an affine combination of maps (B × C × H × H), in the maps' type.
template <class T>
class AffineOf {
 public:
  AffineOf() = default;  // of no map
  AffineOf(std::vector<at::Tensor> maps, int64_t channels);
  void set(int64_t channel, const Doubles& slopes, double constant);
  [[nodiscard]] Affine<T> get() const;

 private:
  std::vector<at::Tensor> maps_;
  std::vector<std::vector<T>> values_;
};

/// V or Ȳ, a row a tile: in memory for all images, or made from the maps for some strips at a time.
template <class T>
struct Rows {
  std::function<void(Strips, Planes<T>)> make;  // only where `all` is undefined
  at::Tensor all;                               // of all images, one matrix a frequency

  [[nodiscard]] bool defined() const { return make != nullptr || all.defined(); }
  void reset() { *this = {}; }
};

/// U = G W Gᵀ, made when it is first read.
template <class T>
class Weights {
 public:
  Weights() = default;
  Weights(const Geometry& x, int64_t out, const at::Tensor& w) : x_(x), out_(out), w_(w) {}

  [[nodiscard]] bool defined() const { return w_.defined(); }
  void reset() { *this = {}; }
  /// One matrix a frequency: C_out × C_in.
  [[nodiscard]] const at::Tensor& matrices() const;
  /// C_in × C_out.
  [[nodiscard]] const at::Tensor& transposed() const;

 private:
  Geometry x_{};
  int64_t out_ = 0;
  at::Tensor w_;
  mutable at::Tensor matrices_;
  mutable at::Tensor transposed_;
};

/// Transforms a convolution's maps and weights into the domain of its form, where the convolution is one product of
/// matrices for each frequency, and back. Each function uses all threads; loops.h has what one thread does.
///
/// If the weights are few and each thread has an image, the products are made in cache: a thread transforms some
/// strips, multiplies them, and transforms the result back, in buffers that stay in its second-level cache. Many
/// weights would be read too often that way; then V, Ȳ and the products are made whole, one after the other.
template <class T>
class Domain {
 public:
  /// A term V Uᵀ.
  struct Term {
    const Rows<T>& v;
    const Weights<T>& u;
  };
  /// The terms Ȳᵀ V of Ū and Ȳ U of V̄; null: not wanted.
  struct AdjointTerm {
    const Rows<T>& y_bar;
    const Rows<T>* v;
    const Weights<T>* u;
  };
  using Terms = std::initializer_list<Term>;
  using AdjointTerms = std::vector<AdjointTerm>;

  Domain(const Geometry& x, int64_t out, const at::TensorOptions& options);

  /// V = Bᵀ x B.
  [[nodiscard]] Rows<T> input(const at::Tensor& x) const;
  /// U, of a contiguous W.
  [[nodiscard]] Weights<T> weights(const at::Tensor& w) const { return {x_, out_, w}; }
  /// Ȳ = A ȳ Aᵀ.
  [[nodiscard]] Rows<T> output_adjoint(const AffineOf<T>& y_bar) const;
  /// Checks whether V and U take much memory between two sweeps.
  [[nodiscard]] bool large() const { return !in_cache_; }

  /// y = Aᵀ (Σ V Uᵀ) A over the terms, and by channel Σ y and Σ y u (u undefined: y).
  [[nodiscard]] std::pair<at::Tensor, std::vector<Doubles>> output(Terms terms, const at::Tensor& u) const;
  /// Aᵀ (V Uᵀ) A + bias + skip (undefined: zero), and of that the positive part where `relu`.
  [[nodiscard]] at::Tensor inference(const Rows<T>& v, const Weights<T>& u, const at::Tensor& bias,
                                     const at::Tensor& skip, bool relu) const;
  /// Writes W̄ = Gᵀ (Σ Ȳᵀ V) G and returns x̄ = B (Σ Ȳ U) Bᵀ; undefined if no term has a U.
  [[nodiscard]] at::Tensor adjoint(const AdjointTerms& terms, const at::Tensor& w_bar) const;

  // A map and its 2×2 max-pool (undefined where no max-pool follows) are Values; or the tangents of both, or their
  // cotangents.

  /// The affine map, gated by z (of one map under Gate::kMask, else of none). With `pool` also its 2×2 max-pool; under
  /// Gate::kMask the pool takes the value at the place where z is greatest.
  [[nodiscard]] Values affine(const AffineOf<T>& from, Gate gate, const AffineOf<T>& z, bool pool) const;
  /// The cotangent of the map before its gate, from the cotangents of the gated map and of its max-pool (each may be
  /// undefined): zero where z ≤ 0 (z of no map: no gate). And by channel Σ y, Σ y u and, where given, Σ v v_with.
  [[nodiscard]] std::pair<at::Tensor, std::vector<Doubles>> gated_sums(Values y, const AffineOf<T>& z,
                                                                       const at::Tensor& u, const at::Tensor& v,
                                                                       const at::Tensor& v_with) const;

 private:
  using Read = std::function<void(Strips, Planes<const T>)>;

  [[nodiscard]] at::Tensor map(int64_t channels, int64_t side) const;
  [[nodiscard]] Rows<T> rows(int64_t width, std::function<void(Strips, Planes<T>)> make) const;

  // domain_in_cache.cc
  template <class Body>
  void by_strips(int64_t width, const Body& body) const;
  void output_in_cache(Terms terms, const Read& read) const;
  void adjoint_in_cache(const AdjointTerms& terms, const at::Tensor& w_bar, const Read& read) const;

  // domain_whole.cc
  template <class Multiply>
  void by_blocks(int64_t width, const Multiply& multiply, const Read& read) const;
  void output_whole(Terms terms, const Read& read) const;
  void input_adjoint_whole(const AdjointTerms& terms, const Read& read) const;
  void weights_adjoint_whole(const AdjointTerms& terms, const at::Tensor& w_bar) const;

  const Loops<T>& loops_;
  Geometry x_;
  Geometry y_;
  int64_t rows_;  // of all images
  int64_t in_;    // columns of V and U
  int64_t out_;   // of Ȳ
  bool in_cache_;
  bool small_;  // its products in cache are the loops' own
  bool past_;   // maps of y's size are written past the caches
  at::TensorOptions options_;
};

}  // namespace l2t::backends::cpu
