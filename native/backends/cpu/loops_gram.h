#pragma once
#include <cstdint>

/// The loops of the matching loss by Gram matrices (matching_gram.h), for one image on one thread. They are a part of
/// Loops (loops.h) and compiled like them.
namespace l2t::backends::cpu {

/// Bilinear resizing along one axis (align_corners = false, no antialiasing) from `from` places to `to`, which are not
/// fewer: place i of the result is (1 − weight_i) times place first_i plus weight_i times the next one.
template <class T>
struct Axis {
  int64_t from;
  int64_t to;
  const int64_t* first;
  const T* weight;

  [[nodiscard]] inline __attribute__((always_inline)) int64_t next(int64_t i) const {
    return first[i] + (first[i] + 1 < from ? 1 : 0);
  }
};

/// An image's branches (C × C_n) at θ, with its k (C), κ = k · factor, m = Σ t over the places (C_n, also in T), and
/// ⟨p, S⟩ (C): matching_gram.h.
template <class T>
struct GramRows {
  int64_t channels;
  int64_t inner;
  double places;
  T factor;  // 2/HW
  const T* coefficient;
  const T* weight;
  const T* bias;
  const double* m;
  const T* m_narrow;
  const double* p_s;
};

/// The tangents, and products with them: W Ġ, Ẇ G (null: only ė is wanted) and Q̇, each C × C_n.
template <class T>
struct GramDot {
  const T* weight;
  const T* bias;
  const double* m;
  const T* m_narrow;
  const T* wg_dot;
  const T* w_dot_g;
  const T* q;
};

/// The sums that an image adds to, and −κ W, or −κ Ẇ, which it writes (C × C_n).
template <class T>
struct GramSweep {
  T* scaled;
  T* w_bar;       // C × C_n
  double* b_bar;  // C
  double* v;      // C_n: Wᵀ κ b or its tangent
};

template <class T>
struct GramLoops {
  /// y += U z: z at the axis's side `from`, y at `to`. rows: scratch, 2 · to · C.
  void (*enlarge)(const Axis<T>& axis, int64_t channels, const T* z, T* rows, T* y);
  /// z = Uᵀ y.
  void (*enlarge_adjoint)(const Axis<T>& axis, int64_t channels, const T* y, T* rows, T* z);
  void (*column_sums)(int64_t channels, int64_t rows, const T* x, double* sums);
  /// x += 1 vᵀ.
  void (*add_to_rows)(int64_t channels, int64_t rows, const double* v, T* x);

  /// Writes E and e_0, which is ε; adds to the loss.
  void (*gradient)(const GramRows<T>& of, const T* wg, const T* q, const double* u, GramSweep<T> to, T* e, double* e_0,
                   double* loss);
  /// Writes ė.
  void (*tangent)(const GramRows<T>& of, const GramDot<T>& dot, const T* e, const double* e_0, GramSweep<T> to,
                  double* e_dot);
};

}  // namespace l2t::backends::cpu
