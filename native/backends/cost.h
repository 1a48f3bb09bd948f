#pragma once
#include <array>
#include <string>
#include <vector>

#include "native/backends/backend.h"

/// What the sweeps must do at least, to compare their times with.
namespace l2t::backends {

enum class Sweep { kForward, kBackward, kTangent, kTangentBackward };
constexpr size_t kSweepCount = 4;

struct Cost {
  double flop = 0;   // of products of matrices; a multiplication and an addition count as two
  double bytes = 0;  // read and written, each map and parameter once
};

struct UnitCost {
  std::string name;                     // "64→128 @16"
  std::vector<std::string> operations;  // their kinds
  std::array<Cost, kSweepCount> sweeps;
};

/// One for each of the part's units `steps`. A convolution's products are those of the form that the backend takes.
std::vector<UnitCost> unit_costs(const Part& part, const std::vector<Step>& steps, const Backend& backend);

/// Of a network with running statistics, on images x.
Cost inference_cost(const nets::Network& network, const at::Tensor& x, const Backend& backend);

/// Of the matching loss at one map. The products are the fewer of two forms: the direct one, and that of Gram matrices,
/// which never makes the difference of the maps and works on a smaller source map at its own size.
class MatchingCost {
 public:
  /// Source maps at their own sizes; larger ones than t count as resized.
  MatchingCost(const at::Tensor& t, const std::vector<at::Tensor>& sources);

  [[nodiscard]] std::string name() const;  // "64→112 @32": the 1×1 convolutions
  /// Value and gradient together.
  [[nodiscard]] Cost gradient() const;
  /// With `product`, the gradient's tangent, too.
  [[nodiscard]] Cost tangent(bool product) const;

 private:
  /// Numbers of products of the Gram form's three kinds.
  struct Gram {
    double maps;      // C_t² HW
    double branches;  // C_t² ΣC_s
    double sources;   // C_t Σ C_s min(hw, HW)
  };
  [[nodiscard]] Cost cost(double direct, const Gram& gram, double maps, double branches) const;

  double images_;
  double element_;   // bytes
  double channels_;  // C_t
  double places_;    // HW
  double source_channels_ = 0;
  double source_elements_ = 0;  // Σ C_s min(hw, HW)
};

}  // namespace l2t::backends
