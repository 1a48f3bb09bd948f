#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/bilevel/engine.h"
#include "native/nets/tape.h"
#include "native/transfer/distillation.h"
#include "native/transfer/matching_loss.h"

namespace l2t::bilevel {

/// Which terms the loss has: in step 1 all terms of the method, in a virtual step one of the first two.
struct Terms {
  bool org;
  bool matching;
  bool attention = false;
  bool distillation = false;
};

/// A loss L at one θ on one batch, and its sweeps: the value L, the gradient ∇θ L, and along a direction d the tangent
/// and the product ∇²θθ L d. Call them in that order: each sweep reads what the earlier ones kept.
class LossPoint {
 public:
  LossPoint(const Problem& problem, Terms terms);

  /// L at flat θ (its specs: the target's parameters, the branches, the LwF head), which must not change until
  /// release(). Moves batch norm's running statistics `running` unless null.
  void forward(const at::Tensor& theta, const std::vector<TensorSpec>& specs, const Batch& batch,
               const std::vector<transfer::MatchedMap>& maps, const std::vector<at::Tensor>* running);

  [[nodiscard]] const at::Tensor& loss_org() const { return loss_org_; }
  [[nodiscard]] const at::Tensor& loss_matching() const { return loss_matching_; }
  [[nodiscard]] const at::Tensor& loss_attention() const { return loss_attention_; }
  [[nodiscard]] const at::Tensor& loss_distillation() const { return distillation_.loss; }
  [[nodiscard]] const nets::Activations& activations() const { return activations_; }

  /// ∇θ L, flat. `keep`: hessian_product will follow.
  at::Tensor gradient(bool keep);

  /// The forward sweep's tangent along flat d. Where L has the matching term, adds ė of every map to `e_dot`.
  /// `keep`: hessian_product will follow.
  void tangent(const at::Tensor& d, std::vector<at::Tensor>& e_dot, bool keep);

  /// ∇²θθ L d, flat, for tangent's d.
  at::Tensor hessian_product();

  void release();

 private:
  /// Moves the matching loss's gradients (or their tangents) into the features' cotangents and the branches' gradients.
  void take_matching(nets::Activations& bar, const std::vector<at::Tensor>& gradient);
  [[nodiscard]] bool direct() const { return problem_.convolution == kernels::Convolution::kDirect; }
  void forward_attention(const Batch& batch);
  void forward_distillation(const Batch& batch);
  void add_attention(nets::Activations& bar) const;
  void add_distillation(nets::Activations& bar, const std::vector<at::Tensor>& gradient) const;
  /// How many operations to run: all where L reads the logits, else up to the last feature in a pair.
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
  std::vector<at::Tensor> attention_;  // T̄ of each pair
  transfer::DistillationValue distillation_;
  std::vector<transfer::MatchingGradient> matching_;  // one for each matched map; or their tangents
};

}  // namespace l2t::bilevel
