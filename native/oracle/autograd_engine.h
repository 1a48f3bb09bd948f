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
  bilevel::MetaStep meta_step(const bilevel::Batch& batch, const bilevel::Batch& judge, const bilevel::Sgd& sgd,
                              const bilevel::TargetState& state, const ParameterVector& phi) override;
  [[nodiscard]] bool reads_sources() const override { return true; }
  [[nodiscard]] bool reads_resized() const override { return true; }

 private:
  /// The target at θ, with batch statistics; moves running statistics only where `buffers` are given.
  [[nodiscard]] nets::Activations target(const Layout& layout, Tensors theta, const at::Tensor& x,
                                         const std::vector<at::Tensor>* buffers) const;

  const bilevel::Problem& problem_;
};

}  // namespace l2t::oracle
