#pragma once
#include "native/backends/backend.h"

namespace l2t::backends::cpu {

/// The CPU's own kernels.
class Cpu final : public Backend {
 public:
  [[nodiscard]] const char* name() const override { return "cpu"; }

  /// Fused units (conv_unit.h) for the convolutions that have a form (form.h), with the batch norm, residual, ReLU and
  /// max-pool that follow; the reference's for the other operations.
  [[nodiscard]] std::vector<Step> units(const Part& part) const override;

  /// Batch norm is folded into the convolutions. Those that have a form (form.h) are computed as in the fused units.
  [[nodiscard]] nets::Activations infer(const nets::Network& network, Tensors parameters, Tensors buffers,
                                        const at::Tensor& x) const override;

  /// By Gram matrices (matching_gram.h) where that is cheaper; else the direct form below.
  [[nodiscard]] std::unique_ptr<MatchedMap> matched_map(const std::vector<at::Tensor>& sources,
                                                        const at::Tensor& coefficient,
                                                        const at::Tensor& t) const override;

  // The direct form: its value and its gradient take one pass over the map, and so do their tangents. A pass computes
  // some rows at a time, so D is never stored whole.
  [[nodiscard]] MatchingSweep matching_gradient(const MatchingInputs& maps, const Pointwise& branches) const override;
  [[nodiscard]] MatchingSweep matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot,
                                               const Pointwise& branches, const Pointwise& branches_dot,
                                               bool product) const override;

  // SGD and its adjoint, each in one pass.
  void sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
                const at::Tensor& next_theta, const at::Tensor& next_velocity) const override;
  [[nodiscard]] at::Tensor sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b) const override;

  void adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient,
                 const AdamState& state) const override;
};

const Backend& backend();

/// Null where the kernels cannot compute with such tensors, or shall not.
const Backend* backend_for(const Arithmetic& arithmetic);

}  // namespace l2t::backends::cpu
