#pragma once

/// Winograd's minimal filtering for 3×3 convolutions in one dimension; both_ways applies it to two dimensions.
/// With x the part of the input under a tile, w the taps and y the tile's outputs,
///
///   y = Aᵀ [(G w) ∘ (Bᵀ x)]
///
/// `input` is Bᵀ, `weights` G, `output` Aᵀ; each `…_adjoint` is its transpose, so that the sweeps built from them are
/// exact derivatives. `T` is the scalar type, `V` that of a value: a scalar, or a vector of channels.
namespace l2t::backends::cpu {

#define L2T_INLINE __attribute__((always_inline)) inline

/// F(4, 3): four outputs of six inputs in six products, a quarter of the multiplications in two dimensions. Points 0,
/// ±p, ±q and ∞ with p = 5/8, q = 3/2, which halve the float32 error of the usual 0, ±1, ±2, ∞.
struct FourOutputs {
  static constexpr int kInputs = 6;
  static constexpr int kPoints = 6;
  static constexpr int kOutputs = 4;
  static constexpr int kBefore = 1;  // inputs before the first output's place

  static constexpr double kP = 0.625;
  static constexpr double kQ = 1.5;
  static constexpr double kP2 = kP * kP;
  static constexpr double kQ2 = kQ * kQ;
  // G's rows are (1, a, a²)/N(a), N(a) = ∏ (a − other points).
  static constexpr double kG0 = 1 / (kP2 * kQ2);
  static constexpr double kGp = 1 / (2 * kP2 * (kP2 - kQ2));
  static constexpr double kGq = 1 / (2 * kQ2 * (kQ2 - kP2));

  template <class T>
  struct Constants {
    static constexpr T p = kP, q = kQ, p2 = kP2, q2 = kQ2, p3 = kP2 * kP, q3 = kQ2 * kQ, pq2 = kP * kQ2, qp2 = kQ * kP2,
                       both = kP2 * kQ2, sum = kP2 + kQ2, g0 = kG0, gp = kGp, gq = kGq;
  };

  template <class T, class V>
  L2T_INLINE static void input(const V* x, V* v) {
    using C = Constants<T>;
    const V even_p = x[4] - x[2] * C::q2;
    const V odd_p = x[3] * C::p - x[1] * C::pq2;
    const V even_q = x[4] - x[2] * C::p2;
    const V odd_q = x[3] * C::q - x[1] * C::qp2;
    v[0] = x[0] * C::both - x[2] * C::sum + x[4];
    v[1] = even_p + odd_p;
    v[2] = even_p - odd_p;
    v[3] = even_q + odd_q;
    v[4] = even_q - odd_q;
    v[5] = x[1] * C::both - x[3] * C::sum + x[5];
  }
  template <class T, class V>
  L2T_INLINE static void input_adjoint(const V* v, V* x) {
    using C = Constants<T>;
    const V even_p = v[1] + v[2];
    const V odd_p = v[1] - v[2];
    const V even_q = v[3] + v[4];
    const V odd_q = v[3] - v[4];
    x[0] = v[0] * C::both;
    x[1] = v[5] * C::both - odd_p * C::pq2 - odd_q * C::qp2;
    x[2] = -(v[0] * C::sum) - even_p * C::q2 - even_q * C::p2;
    x[3] = odd_p * C::p + odd_q * C::q - v[5] * C::sum;
    x[4] = v[0] + even_p + even_q;
    x[5] = v[5];
  }
  template <class T, class V>
  L2T_INLINE static void output(const V* m, V* y) {
    using C = Constants<T>;
    const V even_p = m[1] + m[2];
    const V odd_p = m[1] - m[2];
    const V even_q = m[3] + m[4];
    const V odd_q = m[3] - m[4];
    y[0] = m[0] + even_p + even_q;
    y[1] = odd_p * C::p + odd_q * C::q;
    y[2] = even_p * C::p2 + even_q * C::q2;
    y[3] = odd_p * C::p3 + odd_q * C::q3 + m[5];
  }
  template <class T, class V>
  L2T_INLINE static void output_adjoint(const V* y, V* m) {
    using C = Constants<T>;
    const V even_p = y[0] + y[2] * C::p2;
    const V odd_p = y[1] * C::p + y[3] * C::p3;
    const V even_q = y[0] + y[2] * C::q2;
    const V odd_q = y[1] * C::q + y[3] * C::q3;
    m[0] = y[0];
    m[1] = even_p + odd_p;
    m[2] = even_p - odd_p;
    m[3] = even_q + odd_q;
    m[4] = even_q - odd_q;
    m[5] = y[3];
  }
  template <class T, class V>
  L2T_INLINE static void weights(const V* w, V* u) {
    using C = Constants<T>;
    const V even_p = (w[0] + w[2] * C::p2) * C::gp;
    const V odd_p = w[1] * (C::p * C::gp);
    const V even_q = (w[0] + w[2] * C::q2) * C::gq;
    const V odd_q = w[1] * (C::q * C::gq);
    u[0] = w[0] * C::g0;
    u[1] = even_p + odd_p;
    u[2] = even_p - odd_p;
    u[3] = even_q + odd_q;
    u[4] = even_q - odd_q;
    u[5] = w[2];
  }
  template <class T, class V>
  L2T_INLINE static void weights_adjoint(const V* u, V* w) {
    using C = Constants<T>;
    const V even_p = (u[1] + u[2]) * C::gp;
    const V odd_p = (u[1] - u[2]) * (C::p * C::gp);
    const V even_q = (u[3] + u[4]) * C::gq;
    const V odd_q = (u[3] - u[4]) * (C::q * C::gq);
    w[0] = u[0] * C::g0 + even_p + even_q;
    w[1] = odd_p + odd_q;
    w[2] = even_p * C::p2 + even_q * C::q2 + u[5];
  }
};

/// A row of two places, zero-padded: y₀ = w₁ x₀ + w₂ x₁, y₁ = w₀ x₀ + w₁ x₁ in three products (Karatsuba).
struct TwoPlaces {
  static constexpr int kInputs = 2;
  static constexpr int kPoints = 3;
  static constexpr int kOutputs = 2;
  static constexpr int kBefore = 0;

  template <class T, class V>
  L2T_INLINE static void input(const V* x, V* v) {
    v[0] = x[0] + x[1];
    v[1] = x[1];
    v[2] = x[0];
  }
  template <class T, class V>
  L2T_INLINE static void input_adjoint(const V* v, V* x) {
    x[0] = v[0] + v[2];
    x[1] = v[0] + v[1];
  }
  template <class T, class V>
  L2T_INLINE static void output(const V* m, V* y) {
    y[0] = m[0] + m[1];
    y[1] = m[0] + m[2];
  }
  template <class T, class V>
  L2T_INLINE static void output_adjoint(const V* y, V* m) {
    m[0] = y[0] + y[1];
    m[1] = y[0];
    m[2] = y[1];
  }
  template <class T, class V>
  L2T_INLINE static void weights(const V* w, V* u) {
    u[0] = w[1];
    u[1] = w[2] - w[1];
    u[2] = w[0] - w[1];
  }
  template <class T, class V>
  L2T_INLINE static void weights_adjoint(const V* u, V* w) {
    w[0] = u[2];
    w[1] = u[0] - u[1] - u[2];
    w[2] = u[1];
  }
};

/// Applies the map M along each row, then along each column: y = M x Mᵀ.
template <auto kMap, int kIn, int kOut, class V>
L2T_INLINE void both_ways(const V (&x)[kIn][kIn], V (&y)[kOut][kOut]) {
  V half[kIn][kOut];
#pragma GCC unroll 8
  for (int i = 0; i < kIn; ++i) kMap(x[i], half[i]);
#pragma GCC unroll 8
  for (int j = 0; j < kOut; ++j) {
    V column[kIn];
    V result[kOut];
#pragma GCC unroll 8
    for (int i = 0; i < kIn; ++i) column[i] = half[i][j];
    kMap(column, result);
#pragma GCC unroll 8
    for (int i = 0; i < kOut; ++i) y[i][j] = result[i];
  }
}

}  // namespace l2t::backends::cpu
