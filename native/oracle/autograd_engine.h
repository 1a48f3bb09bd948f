#pragma once
#include "native/bilevel/engine.h"

namespace l2t::oracle {

/// The bilevel iteration by automatic differentiation through all virtual steps: slow, exact, and short enough to check
/// by eye against method.md. Tests compare the native engine with it; `engine: 'autograd'` selects it.
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
  /// `head`: weight and bias of the LwF head.
  [[nodiscard]] at::Tensor distillation_loss(const at::Tensor& feature, const at::Tensor* head,
                                             const bilevel::Batch& batch) const;
  /// The target at θ, with batch statistics; moves running statistics only where `buffers` are given.
  [[nodiscard]] nets::Activations target(const std::vector<at::Tensor>& theta, const at::Tensor& x,
                                         const std::vector<at::Tensor>* buffers) const;

  const bilevel::Problem& problem_;
};

}  // namespace l2t::oracle
