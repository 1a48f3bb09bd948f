#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/kernels/conv_unit.h"
#include "native/nets/forward.h"
#include "native/nets/network.h"
#include "native/nets/operation_sweeps.h"
#include "native/nets/plan.h"

namespace l2t::nets {

/// The four sweeps over a network's list of operations at one θ, with batch statistics. A sweep keeps exactly what the
/// later ones read: forward the values, backward the cotangents ȳ, tangent the tangents ẋ. One thing is made again,
/// since it is cheap and a map large: the cotangent that batch norm hands to the convolution before it. Where the plan
/// has a fused unit, the unit does the same for its operations by itself.
///
/// Notation: values x, cotangents x̄ (`bar`), tangents ẋ (`dot`), tangents of cotangents x̄̇ (`bar_dot`).
class Tape {
 public:
  /// What is asked of the network: the first `operations` of its list, and whether the features in them.
  struct Wanted {
    size_t operations;
    bool features;
  };

  Tape(const Network& network, kernels::Convolution convolution);

  /// Runs what is wanted on images x; the rest is undefined. `parameters` (views of θ) are held until release(), and
  /// must not move meanwhile. Running statistics move where `running` is given.
  Activations forward(const std::vector<at::Tensor>& parameters, const at::Tensor& x, Wanted wanted,
                      const std::vector<at::Tensor>* running);

  /// From cotangents of logits and features (undefined: zero) to the gradient of every parameter reached, written into
  /// `gradient` (others are left alone). `keep`: tangent_backward will follow.
  void backward(Activations bar, const std::vector<at::Tensor>& gradient, bool keep);

  /// From the tangent of θ to those of logits and features. `keep`: tangent_backward will follow.
  Activations tangent(const std::vector<at::Tensor>& parameters_dot, bool keep);

  /// From the tangents of the cotangents that backward was given to those of the gradients it wrote: the Hessian's
  /// product with `parameters_dot`, which tangent was given. Drops what tangent kept.
  void tangent_backward(Activations bar_dot, const std::vector<at::Tensor>& parameters_dot,
                        const std::vector<at::Tensor>& gradient_dot);

  /// Drops everything kept.
  void release();

 private:
  /// What is kept of a value after each sweep.
  struct Keeps {
    bool value = false;
    bool bar = false;
    bool dot = false;
    bool feature = false;           // kept until the sweep has handed it out
    size_t last_reader = SIZE_MAX;  // a step
    int readers = 0;
  };

  void plan(const at::Tensor& x, Wanted wanted);
  /// What a unit made, to its places among the values; a map that only its max-pool reads stays with the unit.
  void scatter(const Step& step, kernels::Pooled made, std::vector<at::Tensor>& slots) const;
  [[nodiscard]] kernels::UnitParameters unit_parameters(const Step& step, const std::vector<at::Tensor>& tensors) const;
  kernels::Pooled unit_forward(const Step& step, const kernels::UnitInput& input,
                               const std::vector<at::Tensor>* running);
  /// A bias before batch norm has no gradient.
  void clear_unit_bias(const Step& step, const std::vector<at::Tensor>& gradient) const;
  [[nodiscard]] Activations collect(const std::vector<at::Tensor>& tensors) const;
  static void seed(const Network& network, Activations bar, std::vector<at::Tensor>& slots);

  const Network& network_;
  kernels::Convolution convolution_;
  std::vector<Step> steps_;
  std::vector<Keeps> keeps_;  // one a value
  std::vector<at::Tensor> parameters_;
  std::vector<at::Tensor> values_;
  std::vector<at::Tensor> bars_;
  std::vector<at::Tensor> dots_;
  std::vector<OperationRecord> records_;  // one an operation; a unit's is its first's
};

}  // namespace l2t::nets
