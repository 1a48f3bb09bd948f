#pragma once
#include <vector>

#include "native/backends/backend.h"
#include "native/core/settings.h"
#include "native/transfer/meta_networks.h"

namespace l2t::run {

/// Moves φ along a hypergradient g: clips g, adds the weight decay, and takes a step of Adam. Its tensors are on φ's
/// device, where all of it is computed. The paper's values (no clip, decay towards 0, one rate) leave Adam alone.
class MetaOptimiser {
 public:
  /// The networks and φ must outlive it.
  MetaOptimiser(const transfer::MetaNetworks& networks, const Settings& settings, const ParameterVector& phi);

  /// Call it once φ has the values with which the run begins, φ₀.
  void start() { phi_start_.copy_(phi_.flat); }

  /// `gradient`: g, flat. It is not changed.
  void step(const backends::Backend& backend, const at::Tensor& gradient);

  /// φ₀, in φ's layout.
  [[nodiscard]] std::vector<at::Tensor> phi_start() const { return phi_.layout.views(phi_start_); }
  [[nodiscard]] const at::Tensor& steps() const { return adam_state_.steps; }

  /// All that a resume needs but `steps`: flat vectors.
  [[nodiscard]] std::vector<at::Tensor> vectors() const {
    return {adam_state_.mean, adam_state_.square, phi_start_, clip_norm_};
  }
  /// adam_mean/…, adam_square/…, phi_start/…, clip_norm: views, not copies.
  [[nodiscard]] std::vector<NamedTensor> tensors() const;

 private:
  [[nodiscard]] at::Tensor clipped(const at::Tensor& gradient) const;

  const ParameterVector& phi_;
  backends::Adam adam_{};
  backends::AdamState adam_state_;
  at::Tensor phi_start_;
  /// True: the weight decay pulls φ to φ₀, not to 0.
  bool decays_to_start_;
  /// X of `clipped`; 0: gradients are not clipped.
  double clip_ = 0;
  at::Tensor clip_norm_;   // m of `clipped`: one number, float64; 0 before the first step
  at::Tensor rate_ratio_;  // of each number of φ, its rate as a part of Adam's; undefined: 1
};

}  // namespace l2t::run
