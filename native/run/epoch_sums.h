#pragma once
#include <stdexcept>
#include <vector>

#include "native/run/events.h"
#include "native/run/learner.h"

namespace l2t::run {

/// Thrown where a loss or ‖∇φ‖ is NaN or infinite; what() says which.
class NotFinite : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Sums over the steps of an epoch. They are part of the saved state, so that an epoch resumed halfway reports the same
/// means.
class EpochSums {
 public:
  EpochSums(const transfer::Method& method, const std::vector<transfer::Pair>& pairs);

  /// Reads the iteration's scalars in one transfer from the device and adds them. Returns them as a step event (epoch
  /// and step unset). Throws NotFinite.
  StepEvent add(const Iteration& iteration, const at::Tensor& y);

  /// Means over the epoch; the other fields (epoch, rate, validation) are unset.
  [[nodiscard]] EpochMetrics metrics() const;

  void reset();

  /// float64, fixed length: for the run state.
  [[nodiscard]] at::Tensor to_tensor() const;
  void from_tensor(const at::Tensor& tensor);

 private:
  // sums_: images, correct; then the losses, the objective, ‖∇φ‖, each weighted by the batch size; then λ, λ², entropy
  // of each pair.
  enum : size_t { kImages, kCorrect, kOrg, kMatching, kAttention, kDistillation, kObjective, kGradPhi, kScalars };
  transfer::Method method_;
  std::vector<transfer::Pair> pairs_;
  std::vector<double> sums_;
};

}  // namespace l2t::run
