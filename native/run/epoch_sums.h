#pragma once
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "native/run/events.h"
#include "native/run/learner.h"

namespace l2t::run {

/// Thrown where a loss or ‖∇φ‖ is NaN or infinite; what() says which.
class NotFinite : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The entry of a saved state. Throws INVALID_RUN where there is none of this length and type.
const at::Tensor& state_entry(const std::vector<NamedTensor>& state, const std::string& name, int64_t length,
                              at::ScalarType type);

/// Sums over the images of an epoch. They are part of the saved state, so that an epoch resumed halfway reports the
/// same means.
class EpochSums {
 public:
  explicit EpochSums(const bilevel::Problem& problem);

  /// Reads the iteration's scalars in one transfer from the device and adds them. Returns them as a step event (epoch
  /// and step unset). Throws NotFinite.
  StepEvent add(const Iteration& iteration, const at::Tensor& y);

  /// Means over the epoch; the other fields (epoch, rate, validation) are unset.
  [[nodiscard]] EpochMetrics metrics() const;

  void reset();

  /// For the run state: epoch_sums/…, float64.
  [[nodiscard]] std::vector<NamedTensor> tensors() const;
  void restore(const std::vector<NamedTensor>& state);

 private:
  std::vector<std::string> terms_;
  transfer::Learned learned_;
  std::vector<transfer::Pair> pairs_;
  /// By name: one number, or one for each pair.
  std::map<std::string, std::vector<double>> sums_;
};

}  // namespace l2t::run
