#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/bilevel/engine.h"
#include "native/nets/tape.h"
#include "native/transfer/distillation.h"
#include "native/transfer/matching_loss.h"

namespace l2t::bilevel {

/// Which terms of the loss: step 1 takes all that the method has, a virtual step one of the first two.
struct Terms {
  bool org;
  bool matching;
  bool attention = false;
  bool distillation = false;
};

/// A loss L at one θ on one batch, and its sweeps: L, ∇θ L, and along a direction d the derivative's parts and ∇²θθ L
/// d. Call them in that order; a later one reads what the earlier ones kept.
class LossPoint {
 public:
  LossPoint(const Problem& problem, Terms terms);

  /// L at flat θ (its specs: the target's parameters, then the branches), which must not move until release().
  /// `running`: batch norm's running statistics, to be moved; null: left alone.
  void forward(const at::Tensor& theta, const std::vector<TensorSpec>& specs, const Batch& batch,
               const std::vector<transfer::MatchedMap>& maps, const std::vector<at::Tensor>* running);

  [[nodiscard]] const at::Tensor& loss_org() const { return loss_org_; }
  [[nodiscard]] const at::Tensor& loss_matching() const { return loss_matching_; }
  [[nodiscard]] const at::Tensor& loss_attention() const { return loss_attention_; }
  [[nodiscard]] const at::Tensor& loss_distillation() const { return distillation_.loss; }
  [[nodiscard]] const nets::Activations& activations() const { return activations_; }

  /// ∇θ L, flat. `keep`: hessian_product will follow.
  at::Tensor gradient(bool keep);

  /// The forward sweep's tangent along flat d. Where L matches, adds ė of every map to `e_dot` (matching_loss.h).
  /// `keep`: hessian_product will follow.
  void tangent(const at::Tensor& d, std::vector<at::Tensor>& e_dot, bool keep);

  /// ∇²θθ L d, flat, for tangent's d.
  at::Tensor hessian_product();

  void release();

 private:
  /// Moves what the matching loss gave into the cotangents of the features and the branches' gradients.
  void take_matching(nets::Activations& bar, const std::vector<at::Tensor>& gradient);
  [[nodiscard]] bool direct() const { return problem_.convolution == kernels::Convolution::kDirect; }
  void forward_attention(const Batch& batch);
  void forward_distillation(const Batch& batch);
  void add_attention(nets::Activations& bar) const;
  void add_distillation(nets::Activations& bar, const std::vector<at::Tensor>& gradient) const;
  /// The last operation that a feature in some pair needs, or all where L reads the logits.
  [[nodiscard]] size_t operations() const;
  [[nodiscard]] const at::Tensor* branch_views(const std::vector<at::Tensor>& views) const;

  const Problem& problem_;
  Terms terms_;
  nets::Tape tape_;
  const std::vector<TensorSpec>* specs_ = nullptr;
  const std::vector<transfer::MatchedMap>* maps_ = nullptr;
  at::Tensor y_;
  at::Tensor theta_flat_;
  std::vector<at::Tensor> theta_;
  std::vector<at::Tensor> theta_dot_;
  nets::Activations activations_;
  nets::Activations dots_;
  at::Tensor loss_org_;
  at::Tensor loss_matching_;
  at::Tensor loss_attention_;
  at::Tensor log_p_;
  std::vector<at::Tensor> attention_;  // T̄, one a pair
  transfer::DistillationValue distillation_;
  std::vector<transfer::MatchingGradient> matching_;  // one a matched map, or its tangent; taken by the next sweep
};

}  // namespace l2t::bilevel
