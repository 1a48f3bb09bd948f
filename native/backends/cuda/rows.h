#pragma once
#include <cmath>

#include "native/backends/cuda/launch.h"

/// Bodies for small matrices with a row for each image: cross-entropy and the meta-networks' outputs. They sum over a
/// row by kLanes threads, each over every kLanes-th number, then over these. All is computed in doubles.
namespace l2t::backends::cuda {

constexpr int64_t kLanes = 32;

/// Σ exp(z − max) and max of the numbers that a lane has seen.
struct SumOfExp {
  double max = -INFINITY;
  double sum = 0;

  L2T_BODY void add(double z) { add(SumOfExp{z, 1}); }
  L2T_BODY void add(const SumOfExp& other) {
    if (other.sum == 0) return;
    if (!(other.max <= max)) {  // NaN, too
      sum = sum == 0 ? other.sum : sum * std::exp(max - other.max) + other.sum;
      max = other.max;
    } else {
      sum += other.sum * std::exp(other.max - max);
    }
  }
  [[nodiscard]] L2T_BODY double log() const { return max + std::log(sum); }
};

/// ω of image b in the cross-entropy.
template <class T>
L2T_BODY double weight_of(const T* weights, int64_t b) {
  return weights != nullptr ? static_cast<double>(weights[b]) : 1.0;
}

/// ops/cross_entropy.h: L, log p and z̄.
template <class T>
struct CrossEntropyBody {
  static constexpr const char* kName = "cross_entropy";
  static constexpr int kPhases = 3;

  int64_t images;
  int64_t classes;
  double smoothing;
  const T* z;
  const int64_t* y;
  const T* weights;  // B; null: 1
  SumOfExp* lanes;   // B × kLanes
  double* rows;      // 2 B: log Σ exp z, and the loss
  T* log_p;
  T* z_bar;
  T* loss;

  L2T_BODY int64_t threads(int phase) const {
    if (phase == 0) return images * kLanes;
    return phase == 1 ? images : images * classes + 1;
  }

  L2T_BODY void run(int phase, int64_t i) const {
    if (phase == 0) {
      SumOfExp sum;
      for (int64_t c = i % kLanes; c < classes; c += kLanes) sum.add(static_cast<double>(z[i / kLanes * classes + c]));
      lanes[i] = sum;
    } else if (phase == 1) {
      SumOfExp sum;
      for (int64_t lane = 0; lane < kLanes; ++lane) sum.add(lanes[i * kLanes + lane]);
      rows[i] = sum.log();
      rows[images + i] = weight_of(weights, i) * loss_of(i);
    } else if (i < images * classes) {
      const double log = static_cast<double>(z[i]) - rows[i / classes];
      const int64_t b = i / classes;
      const double q = (y[b] == i % classes ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
      log_p[i] = static_cast<T>(log);
      z_bar[i] = static_cast<T>(weight_of(weights, b) * (std::exp(log) - q) / static_cast<double>(images));
    } else {
      double sum = 0;
      for (int64_t b = 0; b < images; ++b) sum += rows[images + b];
      *loss = static_cast<T>(sum / static_cast<double>(images));
    }
  }

 private:
  /// ℓ of image b, from its log Σ exp z.
  L2T_BODY double loss_of(int64_t b) const {
    const double hit = rows[b] - static_cast<double>(z[b * classes + y[b]]);
    if (!(smoothing > 0)) return hit;
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += rows[b] - static_cast<double>(z[b * classes + c]);
    return (1 - smoothing) * hit + smoothing / static_cast<double>(classes) * sum;
  }
};

/// z̄̇ of ops/cross_entropy.h.
template <class T>
struct CrossEntropyTangentBackward {
  static constexpr const char* kName = "cross_entropy_tangent_backward";
  static constexpr int kPhases = 3;

  int64_t images;
  int64_t classes;
  const T* log_p;
  const T* z_dot;
  const T* weights;  // B; null: 1
  double* lanes;     // B × kLanes
  double* rows;      // B: Σ_k p_k ż_k
  T* z_bar_dot;

  L2T_BODY int64_t threads(int phase) const {
    if (phase == 0) return images * kLanes;
    return phase == 1 ? images : images * classes;
  }

  L2T_BODY void run(int phase, int64_t i) const {
    if (phase == 0) {
      double sum = 0;
      for (int64_t c = i % kLanes; c < classes; c += kLanes) {
        const int64_t j = i / kLanes * classes + c;
        sum += std::exp(static_cast<double>(log_p[j])) * static_cast<double>(z_dot[j]);
      }
      lanes[i] = sum;
    } else if (phase == 1) {
      double sum = 0;
      for (int64_t lane = 0; lane < kLanes; ++lane) sum += lanes[i * kLanes + lane];
      rows[i] = sum;
    } else {
      const int64_t b = i / classes;
      const double p = weight_of(weights, b) * std::exp(static_cast<double>(log_p[i]));
      z_bar_dot[i] = static_cast<T>(p * (static_cast<double>(z_dot[i]) - rows[b]) / static_cast<double>(images));
    }
  }
};

/// The meta-networks of one pair (ops/importance.h), from f's logits z: w = softmax z, λ = ReLU6(g · s + b). Null: that
/// network is not there.
template <class T>
struct ImportanceForward {
  static constexpr const char* kName = "importance";
  static constexpr int kPhases = 3;

  int64_t images;
  int64_t channels;
  const T* z;         // B × C
  const T* s;         // B × C
  const T* g_weight;  // C
  const T* g_bias;    // 1
  SumOfExp* lanes;    // B × kLanes
  double* products;   // B × kLanes
  double* rows;       // B: log Σ exp z
  T* w;
  T* lambda;

  L2T_BODY int64_t threads(int phase) const {
    if (phase == 0) return images * kLanes;
    if (phase == 1) return images;
    return z != nullptr ? images * channels : 0;
  }

  L2T_BODY void run(int phase, int64_t i) const {
    if (phase == 0) {
      lane(i);
    } else if (phase == 1) {
      row(i);
    } else {
      w[i] = static_cast<T>(std::exp(static_cast<double>(z[i]) - rows[i / channels]));
    }
  }

 private:
  L2T_BODY void lane(int64_t i) const {
    SumOfExp sum;
    double product = 0;
    for (int64_t c = i % kLanes; c < channels; c += kLanes) {
      const int64_t j = i / kLanes * channels + c;
      if (z != nullptr) sum.add(static_cast<double>(z[j]));
      if (g_weight != nullptr) product += static_cast<double>(s[j]) * static_cast<double>(g_weight[c]);
    }
    lanes[i] = sum;
    products[i] = product;
  }

  L2T_BODY void row(int64_t b) const {
    SumOfExp sum;
    double product = g_bias != nullptr ? static_cast<double>(*g_bias) : 0;
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      sum.add(lanes[b * kLanes + lane]);
      product += products[b * kLanes + lane];
    }
    rows[b] = sum.log();
    if (lambda != nullptr) lambda[b] = static_cast<T>(product < 0 ? 0 : product > 6 ? 6 : product);  // NaN stays
  }
};

/// Its gradient but for f's W̄ = z̄ᵀ s: z̄, f's b̄, g's W̄ and b̄.
template <class T>
struct ImportanceBackward {
  static constexpr const char* kName = "importance_backward";
  static constexpr int kPhases = 4;

  int64_t images;
  int64_t channels;
  double scale;
  const T* k_bar;
  const T* s;
  const T* w;
  const T* lambda;
  double* lanes;  // B × kLanes
  double* rows;   // 2 B: t = scale Σ_c w k̄, and λ̄ through ReLU6
  T* z_bar;       // B × C
  T* f_bias_bar;  // C
  T* g_weight_bar;
  T* g_bias_bar;

  L2T_BODY int64_t threads(int phase) const {
    if (phase == 0) return images * kLanes;
    if (phase == 1) return images;
    return phase == 2 ? images * channels : channels;
  }

  L2T_BODY void run(int phase, int64_t i) const {
    if (phase == 0) {
      double sum = 0;
      for (int64_t c = i % kLanes; c < channels; c += kLanes) {
        const int64_t j = i / kLanes * channels + c;
        sum += static_cast<double>(k_bar[j]) * (w != nullptr ? static_cast<double>(w[j]) : 1.0);
      }
      lanes[i] = sum;
    } else if (phase == 1) {
      row(i);
    } else if (phase == 2) {
      if (w == nullptr) return;
      const int64_t b = i / channels;
      const double amount = lambda != nullptr ? static_cast<double>(lambda[b]) : 1.0;
      z_bar[i] = static_cast<T>(w[i] * amount * (scale * static_cast<double>(k_bar[i]) - rows[b]));
    } else {
      channel(i);
    }
  }

 private:
  L2T_BODY void row(int64_t b) const {
    double sum = 0;
    for (int64_t lane = 0; lane < kLanes; ++lane) sum += lanes[b * kLanes + lane];
    rows[b] = scale * sum;
    if (lambda != nullptr) rows[images + b] = lambda[b] > 0 && lambda[b] < 6 ? rows[b] : 0;
  }

  L2T_BODY void channel(int64_t c) const {
    double of_f = 0;
    double of_g = 0;
    double of_amount = 0;
    for (int64_t b = 0; b < images; ++b) {
      if (w != nullptr) of_f += static_cast<double>(z_bar[b * channels + c]);
      if (lambda == nullptr) continue;
      of_g += rows[images + b] * static_cast<double>(s[b * channels + c]);
      of_amount += rows[images + b];
    }
    if (w != nullptr) f_bias_bar[c] = static_cast<T>(of_f);
    if (lambda == nullptr) return;
    g_weight_bar[c] = static_cast<T>(of_g);
    if (c == 0) *g_bias_bar = static_cast<T>(of_amount);
  }
};

}  // namespace l2t::backends::cuda
