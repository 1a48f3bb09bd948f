#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "native/bilevel/engine.h"
#include "native/tape/tape.h"

namespace l2t::bilevel {

/// A sum of terms L at one θ on one batch, and its sweeps: the value L, the gradient ∇θ L, and along a direction d the
/// tangent and the product ∇²θθ L d. Call them in that order: each sweep reads what the earlier ones kept.
class LossPoint {
 public:
  LossPoint(const Problem& problem, std::vector<terms::Term*> terms, backends::Sweeps sweeps);

  /// L at flat θ, which must not change as long as the point lives. Moves batch norm's running statistics `running`
  /// unless null.
  void forward(const at::Tensor& theta, const Layout& layout, const Batch& batch,
               const std::vector<at::Tensor>* running);

  /// This rank's parts of the losses.
  [[nodiscard]] const Losses& losses() const { return losses_; }
  [[nodiscard]] const nets::Activations& activations() const { return activations_; }

  /// ∇θ L, flat: the sum over the ranks, as the product below.
  at::Tensor gradient();

  /// The forward sweep's tangent along flat d; the terms add their part of ∂⟨∇θ L, d⟩/∂φ to what they keep.
  void tangent(const at::Tensor& d);

  /// ∇²θθ L d, flat, for tangent's d.
  at::Tensor hessian_product();

 private:
  /// How far to run the network for the terms: all operations where one reads the logits, else up to the last feature.
  [[nodiscard]] tape::Tape::Extent extent() const;
  /// A flat vector for a gradient, zero where the tape does not write. Terms add to it.
  [[nodiscard]] at::Tensor new_gradient() const;
  /// Cotangents of the target's outputs, none yet.
  [[nodiscard]] nets::Activations no_bars() const;

  const Problem& problem_;
  std::vector<terms::Term*> terms_;
  backends::Sweeps sweeps_;
  tape::Tape tape_;
  const Layout* layout_ = nullptr;
  Slice target_;
  at::Tensor theta_flat_;
  std::vector<at::Tensor> theta_;
  std::vector<at::Tensor> theta_dot_;
  nets::Activations activations_;
  Losses losses_;
  std::vector<std::unique_ptr<terms::TermPoint>> points_;  // one for each term
};

}  // namespace l2t::bilevel
