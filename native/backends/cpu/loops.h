#pragma once
#include <cstdint>

#include "native/backends/cpu/gemm.h"
#include "native/backends/cpu/loops_gram.h"

/// The loops of a fused unit (conv_unit.h) and of the matching loss over maps and tiles; each runs on one thread. They
/// are compiled once for each instruction set (loops.inc); the set is chosen at run time.
///
/// A map is B × H × W × C, channels last. Its Winograd planes are one matrix for each of a form's frequencies, a row
/// for each tile: planes[f · stride + tile · C + c].
namespace l2t::backends::cpu {

/// How a convolution becomes products of matrices, one for each frequency.
enum class Form {
  kFourByFour,  // 3×3, stride 1, padding 1: Winograd's F(4×4, 3×3), 36 frequencies, tiles of 4×4 outputs
  kTwoByTwo,    // the same for maps of 2×2: 9 frequencies, one tile
  kPatches,     // any: no transform, one frequency, a row for each output's place holds its k² C inputs and zeros
};

struct Geometry {
  Form form;
  int64_t images;
  int64_t side;  // of the outputs
  int64_t channels;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t padding = 1;
  int64_t input_side = side;

  [[nodiscard]] int64_t frequencies() const;
  /// Tiles along a side.
  [[nodiscard]] int64_t tiles() const;
  /// Matrix rows of an image.
  [[nodiscard]] int64_t rows() const { return tiles() * tiles(); }
  [[nodiscard]] int64_t taps() const { return kernel * kernel; }
  /// Columns of V and U. Those of kPatches are filled up with zeros to whole vectors.
  [[nodiscard]] int64_t columns() const {
    return form == Form::kPatches ? (taps() * channels + 15) / 16 * 16 : channels;
  }
  [[nodiscard]] int64_t places() const { return side * side; }
};

struct Images {
  int64_t begin;
  int64_t end;
};

/// Rows of tiles from one side of an image to the other, counted over all images: an image has tiles() of them.
struct Strips {
  int64_t begin;
  int64_t end;
};

/// Planes of the strips from `first` on.
template <class T>
struct Planes {
  T* data;
  int64_t stride;
  int64_t first;
};

/// constant + Σ slope_k · map_k, channel by channel: the form of batch norm's sweeps.
template <class T>
struct Affine {
  static constexpr int kMost = 4;
  int terms;  // 1 to 4; 0: none
  const T* map[kMost];
  const T* slope[kMost];
  const T* constant;
};

/// Rows `begin` to `end` of a matched map: one row for each place, `places` rows in an image, C channels (those of all
/// pairs, side by side).
struct MatchedRows {
  int64_t channels;
  int64_t places;
  int64_t begin;
  int64_t end;
};

/// k (images × C), the source maps S, and 2/HW.
template <class T>
struct MatchedWith {
  const T* coefficient;
  const T* source;
  T factor;
};

enum class Gate { kNone, kRelu, kMask };

template <class T>
struct Loops {
  const char* name;

  // `past`: y is written past the caches. Its channels then fill whole vectors, which are aligned.

  /// V = Bᵀ x B. For kPatches: the inputs of each place, side by side.
  void (*input)(const Geometry& geometry, Strips strips, const T* x, Planes<T> v);
  /// x̄ = B V̄ Bᵀ, summed over tiles. The strips of an image come in order, also over several calls.
  void (*input_adjoint)(const Geometry& geometry, Strips strips, Planes<const T> v, T* x);
  /// y = Aᵀ M A. Writes Σ y and Σ y u of each image to `sums` (images × 2 × C); u null: y itself. The strips of an
  /// image come in order, also over several calls.
  void (*output)(const Geometry& geometry, Strips strips, Planes<const T> m, T* y, const T* u, double* sums, bool past);
  /// y = Aᵀ M A + bias + skip (null: zero), and of that the positive part where `relu`.
  void (*inference)(const Geometry& geometry, Strips strips, Planes<const T> m, const T* bias, const T* skip, bool relu,
                    T* y);
  /// M = A ȳ Aᵀ of an affine map ȳ.
  void (*output_adjoint)(const Geometry& geometry, Strips strips, const Affine<T>& y, Planes<T> m);
  /// U = G W Gᵀ for output channels `begin` to `end`. w: C_out × C × k × k; u: C_out × columns() for each frequency.
  void (*weights)(const Geometry& x, int64_t begin, int64_t end, const T* w, T* u, int64_t stride);
  /// The same, transposed, for input channels `begin` to `end`. u: columns() × C_out for each frequency.
  void (*weights_transposed)(const Geometry& x, int64_t out, int64_t begin, int64_t end, const T* w, T* u,
                             int64_t stride);
  void (*weights_adjoint)(const Geometry& x, int64_t begin, int64_t end, const T* u, int64_t stride, T* w);

  // z has one term and is positive where ReLU passes: it is the map before or after ReLU.

  /// y = an affine map, over rows `begin` to `end` of C channels; kRelu: its positive part; kMask: 0 where z ≤ 0.
  void (*affine)(int64_t channels, int64_t begin, int64_t end, const Affine<T>& from, Gate gate, const Affine<T>& z,
                 T* y, bool past);
  /// In place y ← 0 where z ≤ 0 (where z is NaN, and for z without terms, y stays). Writes Σ y, Σ y u and, where `v` is
  /// given, Σ v v_with of each image to `sums` (images × 3 × C).
  void (*masked_sums)(const Geometry& geometry, Images images, T* y, const Affine<T>& z, const T* u, const T* v,
                      const T* v_with, double* sums);

  /// Like `affine` on whole images, and p, the maxima of y over 2×2 windows; with Gate::kMask, p is y's value where z
  /// is greatest (the first of equals).
  void (*pooled_affine)(const Geometry& geometry, Images images, const Affine<T>& from, Gate gate, const Affine<T>& z,
                        T* y, T* p, bool past);
  /// Like `masked_sums`, after adding p̄ to y where z is greatest in its window; y starts at zero unless `seeded`.
  void (*pooled_sums)(const Geometry& geometry, Images images, bool seeded, T* y, const T* p_bar, const Affine<T>& z,
                      const T* u, const T* v, const T* v_with, double* sums);

  /// On entry d = W T of some rows. With D = d + b − S: d ← D̄ = (2/HW) k D. Adds Σ k D² to `loss`, Σ D̄ to b̄.
  void (*matching)(const MatchedRows& rows, const MatchedWith<T>& with, const T* bias, T* d, double* loss,
                   double* b_bar);
  /// On entry also ḋ = W Ṫ + Ẇ T: d ← D̄, ḋ ← D̄̇ = (2/HW) k Ḋ. Adds (2/HW) Σ D Ḋ to ė (images × C), Σ D̄̇ to b̄̇.
  void (*matching_tangent)(const MatchedRows& rows, const MatchedWith<T>& with, const T* bias, const T* bias_dot, T* d,
                           T* d_dot, double* e_dot, double* b_bar_dot);

  /// A Gemm that is fast for small matrices; b must not be transposed.
  Gemm<T> product;
  GramLoops<T> gram;
};

/// Returns the loops for the machine's best instruction set: avx512, avx2 (with FMA), or baseline, as all other code.
template <class T>
const Loops<T>& loops();

/// Returns the loops for a named instruction set; null where this build or this machine does not have it.
template <class T>
const Loops<T>* loops_named(const char* name);

}  // namespace l2t::backends::cpu
