#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "native/core/interface.h"

/// The matching loss at one target map, as a backend computes it; terms/matching.cc has the formulas.
namespace l2t::backends {

class Backend;

/// A 1×1 convolution's parameters or gradients: C × C_n × 1 × 1 and C.
struct Pointwise {
  at::Tensor weight;
  at::Tensor bias;
};

struct MatchingSweep {
  at::Tensor value;  // L, or ė (B × C)
  at::Tensor t_bar;  // of the gradient, or of its tangent
  Pointwise bar;
};

/// Inputs of the direct form. T: B × C_n × H × W; S, of T's size: B × C × H × W; k: B × C.
struct MatchingInputs {
  at::Tensor t;
  at::Tensor source;
  at::Tensor coefficient;
};

/// The sweeps at one θ. The tangent reads what the gradient kept, so call the gradient first.
class MatchingPoint : public Interface {
 public:
  /// L, T̄, W̄ and b̄.
  virtual MatchingSweep gradient() = 0;
  /// ė and, where `product`, T̄̇, W̄̇ and b̄̇ (undefined otherwise).
  virtual MatchingSweep tangent(const at::Tensor& t_dot, const Pointwise& branches_dot, bool product) = 0;
};

/// One target map on one batch: what all points share. It is made from the source maps that are matched with the
/// target's map, each at its own size (B × C_m × h × w; their channels, side by side, are the C), and from k (B × C).
class MatchedMap : public Interface {
 public:
  /// The map must outlive the point.
  [[nodiscard]] virtual std::unique_ptr<MatchingPoint> at(const at::Tensor& t, const Pointwise& branches) const = 0;
};

/// A square map at another side: bilinear, align_corners = false, no antialiasing.
at::Tensor resized(const at::Tensor& map, int64_t side);

/// The direct form of a backend: it makes the resized maps, and each sweep makes the difference D.
std::unique_ptr<MatchedMap> direct_matching(const Backend& backend, const std::vector<at::Tensor>& sources,
                                            const at::Tensor& coefficient, int64_t side);

}  // namespace l2t::backends
