#pragma once
#include <cmath>

#include "native/backends/cuda/channel_sums.h"
#include "native/nets/network.h"

/// The four sweeps of batch norm with batch statistics, of the residual, ReLU and 2×2 max-pool that follow it, as
/// bodies for SumsThenMap. y: the convolution's output; z = ReLU(γ s (y − μ) + β + skip); the pooled map takes z at
/// `places`. Formulas: ops/batch_norm.h. All means and coefficients are doubles; what a place gets is computed in the
/// maps' type, from y − μ. Null pointers: there is no such map.
namespace l2t::backends::cuda {

/// The arguments that all sweeps of a unit share. Maps: rows × C; per channel: C.
template <class T>
struct NormMaps {
  Cells cells;
  int64_t channels;
  bool relu;
  const T* y;
  const T* z;
  const uint8_t* places;  // cells × C: which place of its window is pooled; null: no max-pool
  const T* scale;         // γ
  const double* mean;     // μ
  const double* invstd;   // s

  /// How many places a channel has.
  L2T_BODY double count() const { return static_cast<double>(cells.count * cells.places()); }
  L2T_BODY int64_t at(int64_t row, int64_t c) const { return row * channels + c; }
  L2T_BODY T centred(int64_t at, int64_t c) const { return y[at] - static_cast<T>(mean[c]); }

  /// A cotangent of z, or its tangent, from those of z and of the pooled map, where ReLU lets it through.
  L2T_BODY T gated(const T* z_bar, const T* pooled_bar, int64_t c, int64_t cell, int k) const {
    const int64_t i = at(cells.row(cell, k), c);
    T value = z_bar != nullptr ? z_bar[i] : T(0);
    const int64_t window = at(cell, c);
    if (pooled_bar != nullptr && places[window] == k) value += pooled_bar[window];
    return relu && !(z[i] > 0) ? T(0) : value;
  }
};

template <class T>
struct Affine {
  T on_y;
  T constant;
};

template <class T>
struct NormForward {
  static constexpr const char* kName = "batch_norm";
  static constexpr int kSums = 2;  // Σ (y − y₀), Σ (y − y₀)², with y₀ the channel's first place
  using Real = T;

  NormMaps<T> maps;
  double* mean;
  double* invstd;
  const T* shift;   // β
  const T* skip;    // rows × C
  const T* bias;    // of the convolution, which batch norm would subtract again: it moves the running mean alone
  T* running_mean;  // null: they do not move
  T* running_variance;
  T* z;
  T* pooled;
  uint8_t* places;

  L2T_BODY void add(int64_t c, int64_t cell, T* sums) const {
    for (int k = 0; k < maps.cells.places(); ++k) {
      const T moved = maps.y[maps.at(maps.cells.row(cell, k), c)] - maps.y[c];
      sums[0] += moved;
      sums[1] += moved * moved;
    }
  }

  L2T_BODY void finish(int64_t c, const double* sums) const {
    const double n = maps.count();
    const double moved = sums[0] / n;
    const double raw = sums[1] / n - moved * moved;
    const double variance = raw < 0 ? 0 : raw;  // NaN stays
    mean[c] = static_cast<double>(maps.y[c]) + moved;
    invstd[c] = 1 / std::sqrt(variance + nets::kBatchNormEpsilon);
    if (running_mean == nullptr) return;
    move(running_mean[c], mean[c] + (bias != nullptr ? static_cast<double>(bias[c]) : 0.0));
    move(running_variance[c], variance * n / (n - 1));
  }

  L2T_BODY Affine<T> at(int64_t c) const { return {static_cast<T>(maps.scale[c] * invstd[c]), shift[c]}; }

  L2T_BODY void apply(const Affine<T>& affine, int64_t c, int64_t cell) const {
    T best = 0;
    int place = 0;
    for (int k = 0; k < maps.cells.places(); ++k) {
      const int64_t i = maps.at(maps.cells.row(cell, k), c);
      T value = affine.on_y * (maps.y[i] - static_cast<T>(mean[c])) + affine.constant;
      if (skip != nullptr) value += skip[i];
      if (maps.relu && value < 0) value = 0;  // NaN stays
      z[i] = value;
      if (k > 0 && !(value > best || value != value)) continue;
      best = value;
      place = k;
    }
    if (pooled == nullptr) return;
    pooled[maps.at(cell, c)] = best;
    places[maps.at(cell, c)] = static_cast<uint8_t>(place);
  }

 private:
  L2T_BODY void move(T& to, double value) const {
    constexpr double kMomentum = nets::kRunningMomentum;
    to = static_cast<T>((1 - kMomentum) * static_cast<double>(to) + kMomentum * value);
  }
};

/// g = z̄ where ReLU lets it through; ȳ = γ s (g − Σg/n − x̂ Σ(g x̂)/n).
template <class T>
struct NormBackward {
  static constexpr const char* kName = "batch_norm_backward";
  static constexpr int kSums = 2;  // Σ g, Σ g (y − μ)
  using Real = T;

  NormMaps<T> maps;
  const T* z_bar;
  const T* pooled_bar;
  T* g;
  T* y_bar;  // may be g
  T* scale_bar;
  T* shift_bar;
  double* sum_g;        // Σ g
  double* sum_g_x_hat;  // Σ g x̂

  L2T_BODY void add(int64_t c, int64_t cell, T* sums) const {
    for (int k = 0; k < maps.cells.places(); ++k) {
      const int64_t i = maps.at(maps.cells.row(cell, k), c);
      const T value = maps.gated(z_bar, pooled_bar, c, cell, k);
      g[i] = value;
      sums[0] += value;
      sums[1] += value * maps.centred(i, c);
    }
  }

  L2T_BODY void finish(int64_t c, const double* sums) const {
    sum_g[c] = sums[0];
    sum_g_x_hat[c] = maps.invstd[c] * sums[1];
    shift_bar[c] = static_cast<T>(sum_g[c]);
    scale_bar[c] = static_cast<T>(sum_g_x_hat[c]);
  }

  struct Coefficients {
    T on_g;
    T on_y;
    T constant;
  };

  L2T_BODY Coefficients at(int64_t c) const {
    const double n = maps.count();
    const double on_g = maps.scale[c] * maps.invstd[c];
    return {static_cast<T>(on_g), static_cast<T>(-on_g * maps.invstd[c] * sum_g_x_hat[c] / n),
            static_cast<T>(-on_g * sum_g[c] / n)};
  }

  L2T_BODY void apply(const Coefficients& by, int64_t c, int64_t cell) const {
    for (int k = 0; k < maps.cells.places(); ++k) {
      const int64_t i = maps.at(maps.cells.row(cell, k), c);
      y_bar[i] = by.on_g * g[i] + by.on_y * maps.centred(i, c) + by.constant;
    }
  }
};

/// x̂̇ = s (ẏ − Σẏ/n − x̂ q), q = Σ(ẏ x̂)/n; ż = γ̇ x̂ + γ x̂̇ + β̇ + the residual's tangent, where ReLU lets it through.
template <class T>
struct NormTangent {
  static constexpr const char* kName = "batch_norm_tangent";
  static constexpr int kSums = 2;  // Σ ẏ, Σ ẏ (y − μ)
  using Real = T;

  NormMaps<T> maps;
  T* y_dot;          // in: Ẇ∗x; out: ẏ = Ẇ∗x + W∗ẋ
  const T* y_dot_2;  // W∗ẋ; null: zero
  const T* scale_dot;
  const T* shift_dot;
  const T* skip_dot;
  double* sum_y_dot;        // Σ ẏ
  double* sum_y_dot_x_hat;  // Σ ẏ x̂
  T* z_dot;
  T* pooled_dot;

  L2T_BODY void add(int64_t c, int64_t cell, T* sums) const {
    for (int k = 0; k < maps.cells.places(); ++k) {
      const int64_t i = maps.at(maps.cells.row(cell, k), c);
      if (y_dot_2 != nullptr) y_dot[i] += y_dot_2[i];
      sums[0] += y_dot[i];
      sums[1] += y_dot[i] * maps.centred(i, c);
    }
  }

  L2T_BODY void finish(int64_t c, const double* sums) const {
    sum_y_dot[c] = sums[0];
    sum_y_dot_x_hat[c] = maps.invstd[c] * sums[1];
  }

  struct Coefficients {
    T on_y_dot;
    T on_y;
    T constant;
  };

  L2T_BODY Coefficients at(int64_t c) const {
    const double n = maps.count();
    const double s = maps.invstd[c];
    const double on_y_dot = maps.scale[c] * s;
    return {static_cast<T>(on_y_dot), static_cast<T>((scale_dot[c] - on_y_dot * sum_y_dot_x_hat[c] / n) * s),
            static_cast<T>(shift_dot[c] - on_y_dot * sum_y_dot[c] / n)};
  }

  L2T_BODY void apply(const Coefficients& by, int64_t c, int64_t cell) const {
    const int64_t window = maps.at(cell, c);
    for (int k = 0; k < maps.cells.places(); ++k) {
      const int64_t i = maps.at(maps.cells.row(cell, k), c);
      T value = by.on_y_dot * y_dot[i] + by.on_y * maps.centred(i, c) + by.constant;
      if (skip_dot != nullptr) value += skip_dot[i];
      if (maps.relu && !(maps.z[i] > 0)) value = 0;
      z_dot[i] = value;
      if (pooled_dot != nullptr && maps.places[window] == k) pooled_dot[window] = value;
    }
  }
};

/// ȳ̇, the tangent of NormBackward's ȳ, in which γ, s, g, the sums and x̂ all have tangents; and ȳ again, which was not
/// kept.
template <class T>
struct NormTangentBackward {
  static constexpr const char* kName = "batch_norm_tangent_backward";
  static constexpr int kSums = 3;  // Σ ġ, Σ ġ (y − μ), Σ g ẏ
  using Real = T;

  /// A channel's coefficients, made by finish. ȳ = on_g_dot g + on_y_dot (y − μ) + bar_constant.
  struct Coefficients {
    T on_g_dot;
    T on_g;
    T on_y_dot;
    T on_y;
    T constant;
    T bar_constant;
  };

  NormMaps<T> maps;
  const T* z_bar_dot;
  const T* pooled_bar_dot;
  const T* g;
  const T* y_dot;
  const T* scale_dot;
  const double* sum_g;
  const double* sum_g_x_hat;
  const double* sum_y_dot;
  const double* sum_y_dot_x_hat;
  T* g_dot;
  T* y_bar_dot;
  T* y_bar;
  T* scale_bar_dot;
  T* shift_bar_dot;
  Coefficients* coefficients;  // C

  L2T_BODY void add(int64_t c, int64_t cell, T* sums) const {
    for (int k = 0; k < maps.cells.places(); ++k) {
      const int64_t i = maps.at(maps.cells.row(cell, k), c);
      const T value = maps.gated(z_bar_dot, pooled_bar_dot, c, cell, k);
      g_dot[i] = value;
      sums[0] += value;
      sums[1] += value * maps.centred(i, c);
      sums[2] += g[i] * y_dot[i];
    }
  }

  L2T_BODY void finish(int64_t c, const double* sums) const {
    const double n = maps.count();
    const double s = maps.invstd[c];
    const double g_mean = sum_g[c] / n;
    const double g_x_hat_mean = sum_g_x_hat[c] / n;
    const double y_dot_mean = sum_y_dot[c] / n;
    const double q = sum_y_dot_x_hat[c] / n;
    const double g_dot_x_hat = s * sums[1];                                                 // Σ ġ x̂
    const double g_x_hat_dot = s * (sums[2] - y_dot_mean * sum_g[c] - q * sum_g_x_hat[c]);  // Σ g x̂̇
    scale_bar_dot[c] = static_cast<T>(g_dot_x_hat + g_x_hat_dot);
    shift_bar_dot[c] = static_cast<T>(sums[0]);

    const double scaled = maps.scale[c] * s;                    // γ s
    const double scaled_dot = s * (scale_dot[c] - scaled * q);  // γ̇ s + γ ṡ, since ṡ = −s² q
    const double on_y_dot = -scaled * s * g_x_hat_mean;
    const double on_x_hat = -scaled * (g_dot_x_hat + g_x_hat_dot) / n - scaled_dot * g_x_hat_mean - on_y_dot * q;
    const double constant = -scaled * sums[0] / n - scaled_dot * g_mean - on_y_dot * y_dot_mean;
    coefficients[c] = {static_cast<T>(scaled),       static_cast<T>(scaled_dot), static_cast<T>(on_y_dot),
                       static_cast<T>(on_x_hat * s), static_cast<T>(constant),   static_cast<T>(-scaled * g_mean)};
  }

  L2T_BODY Coefficients at(int64_t c) const { return coefficients[c]; }

  L2T_BODY void apply(const Coefficients& by, int64_t c, int64_t cell) const {
    for (int k = 0; k < maps.cells.places(); ++k) {
      const int64_t i = maps.at(maps.cells.row(cell, k), c);
      const T centred = maps.centred(i, c);
      y_bar[i] = by.on_g_dot * g[i] + by.on_y_dot * centred + by.bar_constant;
      y_bar_dot[i] = by.on_g_dot * g_dot[i] + by.on_g * g[i] + by.on_y_dot * y_dot[i] + by.on_y * centred + by.constant;
    }
  }
};

/// Batch norm with running statistics, and what follows it: inference. One thread a cell and channel.
template <class T>
struct NormInference {
  static constexpr const char* kName = "batch_norm_inference";
  static constexpr int kPhases = 1;

  Cells cells;
  int64_t channels;
  bool relu;
  const T* y;
  const T* skip;
  const T* scale;
  const T* shift;
  const T* mean;  // of y, without the convolution's bias
  const T* variance;
  const T* bias;  // of the convolution; null: none
  T* z;
  T* pooled;

  L2T_BODY int64_t threads(int /*phase*/) const { return cells.count * channels; }

  L2T_BODY void run(int /*phase*/, int64_t thread) const {
    const int64_t cell = thread / channels;
    const int64_t c = thread % channels;
    const double slope = scale[c] / std::sqrt(static_cast<double>(variance[c]) + nets::kBatchNormEpsilon);
    const T centre = mean[c] - (bias != nullptr ? bias[c] : T(0));
    T best = 0;
    for (int k = 0; k < cells.places(); ++k) {
      const int64_t i = cells.row(cell, k) * channels + c;
      T value = static_cast<T>(slope) * (y[i] - centre) + shift[c];
      if (skip != nullptr) value += skip[i];
      if (relu && value < 0) value = 0;
      z[i] = value;
      if (k == 0 || value > best || value != value) best = value;
    }
    if (pooled != nullptr) pooled[cell * channels + c] = best;
  }
};

}  // namespace l2t::backends::cuda
