#pragma once
#include "native/bilevel/engine.h"

namespace l2t::oracle {

/// The bilevel iteration by automatic differentiation through the whole unroll: slow, exact, short enough to check by
/// eye against method.md. The truth that other engines are tested against, and `engine: 'autograd'`.
class AutogradEngine final : public bilevel::Engine {
 public:
  explicit AutogradEngine(const bilevel::Problem& problem) : problem_(problem) {}

  bilevel::RealStep real_step(const bilevel::Batch& batch, const bilevel::Sgd& sgd,
                              bilevel::TargetState& state) override;
  bilevel::MetaStep meta_step(const bilevel::Batch& batch, const bilevel::Sgd& sgd, const bilevel::TargetState& state,
                              const ParameterVector& phi) override;

 private:
  /// L_wfm at target features T_θ; `branches`: weight and bias of every pair's r.
  [[nodiscard]] at::Tensor matching_loss(const std::vector<at::Tensor>& features, const at::Tensor* branches,
                                         const bilevel::Batch& batch, const transfer::Importance& importance) const;
  [[nodiscard]] at::Tensor attention_loss(const std::vector<at::Tensor>& features, const bilevel::Batch& batch) const;
  /// `head`: its weight and bias.
  [[nodiscard]] at::Tensor distillation_loss(const at::Tensor& feature, const at::Tensor* head,
                                             const bilevel::Batch& batch) const;
  /// The target at flat θ, with batch statistics; running statistics move only where `buffers` are given.
  [[nodiscard]] nets::Activations target(const std::vector<at::Tensor>& theta, const at::Tensor& x,
                                         const std::vector<at::Tensor>* buffers) const;

  const bilevel::Problem& problem_;
};

}  // namespace l2t::oracle
