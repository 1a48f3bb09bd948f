#pragma once
#include <cmath>

#include "native/backends/backend.h"
#include "native/backends/cuda/launch.h"

/// Bodies for flat vectors: SGD, its adjoint, Adam (backend.h has the formulas), and the gradient of many tensors.
namespace l2t::backends::cuda {

template <class T>
struct SgdStep {
  static constexpr const char* kName = "sgd_step";
  static constexpr int kPhases = 1;

  int64_t length;
  double momentum;
  double weight_decay;
  const double* lr;
  const T* theta;
  const T* velocity;
  const T* gradient;
  T* next_theta;
  T* next_velocity;

  L2T_BODY int64_t threads(int /*phase*/) const { return length; }
  L2T_BODY void run(int /*phase*/, int64_t i) const {
    const T moved = static_cast<T>(momentum) * velocity[i] + gradient[i] + static_cast<T>(weight_decay) * theta[i];
    next_theta[i] = theta[i] - static_cast<T>(*lr) * moved;
    next_velocity[i] = moved;
  }
};

template <class T>
struct SgdAdjoint {
  static constexpr const char* kName = "sgd_adjoint";
  static constexpr int kPhases = 1;

  int64_t length;
  double momentum;
  double weight_decay;
  const double* lr;
  T* a;
  T* b;
  T* d;

  L2T_BODY int64_t threads(int /*phase*/) const { return length; }
  L2T_BODY void run(int /*phase*/, int64_t i) const {
    d[i] = b[i] - static_cast<T>(*lr) * a[i];
    a[i] += static_cast<T>(weight_decay) * d[i];
    b[i] = static_cast<T>(momentum) * d[i];
  }
};

template <class T>
struct AdamStep {
  static constexpr const char* kName = "adam_step";
  static constexpr int kPhases = 2;

  int64_t length;
  double lr;
  double weight_decay;
  double* steps;
  const T* gradient;
  T* phi;
  T* mean;
  T* square;

  L2T_BODY int64_t threads(int phase) const { return phase == 0 ? 1 : length; }
  L2T_BODY void run(int phase, int64_t i) const {
    if (phase == 0) {
      *steps += 1;
      return;
    }
    const double decayed = gradient[i] + weight_decay * phi[i];
    mean[i] = static_cast<T>(Adam::kBeta1 * mean[i] + (1 - Adam::kBeta1) * decayed);
    square[i] = static_cast<T>(Adam::kBeta2 * square[i] + (1 - Adam::kBeta2) * decayed * decayed);
    const double denominator = std::sqrt(square[i] / (1 - std::pow(Adam::kBeta2, *steps))) + Adam::kEpsilon;
    phi[i] = static_cast<T>(phi[i] - lr / (1 - std::pow(Adam::kBeta1, *steps)) * mean[i] / denominator);
  }
};

/// A tensor O × I × k × k of θ's gradient, contiguous, as the sum of one or two results of LibTorch, or zero.
template <class T>
struct GradientPart {
  T* to;
  const T* first;   // null: zero
  const T* second;  // null: none
  int64_t length;
  int64_t inputs;      // I
  int64_t places;      // k · k
  bool channels_last;  // the results: O × k × k × I in memory

  L2T_BODY void write(int64_t i) const {
    int64_t from = i;
    if (channels_last) {
      const int64_t place = i % places;
      const int64_t input = i / places % inputs;
      from = (i / places / inputs * places + place) * inputs + input;
    }
    T value = first != nullptr ? first[from] : T(0);
    if (second != nullptr) value += second[from];
    to[i] = value;
  }
};

/// All tensors of a network's gradient in one kernel.
template <class T>
struct WriteGradient {
  static constexpr const char* kName = "write_gradient";
  static constexpr int kPhases = 1;
  static constexpr int kParts = 32;  // a kernel's arguments may take 4 KB

  int count;
  int64_t length;  // of all parts
  GradientPart<T> parts[kParts];

  L2T_BODY int64_t threads(int /*phase*/) const { return length; }
  L2T_BODY void run(int /*phase*/, int64_t i) const {
    for (int part = 0; part < count; ++part) {
      if (i < parts[part].length) {
        parts[part].write(i);
        return;
      }
      i -= parts[part].length;
    }
  }
};

}  // namespace l2t::backends::cuda
