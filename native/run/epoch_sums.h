#pragma once
#include <functional>
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

/// Returns an entry of a saved state. Throws INVALID_RUN where there is none of this length and type.
const at::Tensor& state_entry(const std::vector<NamedTensor>& state, const std::string& name, int64_t length,
                              at::ScalarType type);

/// Sums over the images of an epoch. They are part of the saved state, so that an epoch resumed halfway reports the
/// same means.
class EpochSums {
 public:
  /// `kinds`: of a step's images (StepImages).
  EpochSums(const bilevel::Problem& problem, int64_t kinds);

  /// The iteration's numbers in one vector on the device, float64; 0 for those of a meta-step that it does not have.
  /// They cover the whole batch, on every rank, if the ranks share it. Reads nothing on the host.
  [[nodiscard]] at::Tensor row(const Iteration& iteration, const at::Tensor& y) const;

  /// Adds a step's row, which is on the CPU; `meta`: it has a meta-step. Returns its losses as a step event (epoch and
  /// step unset). Throws NotFinite.
  StepEvent add(const at::Tensor& row, int64_t labelled, bool meta);

  /// Means over the epoch; the other fields (epoch, rate, validation) are unset.
  [[nodiscard]] EpochMetrics metrics() const;

  void reset();

  /// The sums as part of the run state: epoch_sums/…, float64.
  [[nodiscard]] std::vector<NamedTensor> tensors() const;
  void restore(const std::vector<NamedTensor>& state);

 private:
  /// A part of a row: one number, or one for each pair.
  struct Column {
    std::string name;
    size_t count;
    bool mean;  // over the batch: multiplied by its size before it is added
    bool part;  // of a sum over the ranks; false: all ranks have the same value
    std::function<at::Tensor(const Iteration&, const at::Tensor& y)> value;
  };

  const Reducer& reducer_;
  int64_t kinds_;
  std::vector<std::string> terms_;
  transfer::Learned learned_;
  std::vector<transfer::Pair> pairs_;
  /// In the order of a row. Those of the meta-step come last.
  std::vector<Column> columns_;
  size_t real_columns_ = 0;  // how many are not of the meta-step
  /// By name.
  std::map<std::string, std::vector<double>> sums_;
};

}  // namespace l2t::run
