#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/kernels/conv_unit.h"
#include "native/nets/forward.h"
#include "native/nets/network.h"
#include "native/nets/operation_sweeps.h"
#include "native/nets/plan.h"

namespace l2t::nets {

/// Runs the four sweeps over a network's list of operations, at one θ, with batch statistics. Each sweep keeps what
/// later sweeps read: forward the values, backward the cotangents ȳ, tangent the tangents ẋ. One cotangent is computed
/// again instead of kept, since it is cheap and a map is large: the one that batch norm passes to the convolution
/// before it. A fused unit of the plan keeps what its own sweeps read.
///
/// Notation: values x, cotangents x̄ (`bar`), tangents ẋ (`dot`), tangents of cotangents x̄̇ (`bar_dot`).
class Tape {
 public:
  /// How far to run the network: the first `operations` of its list, with or without the features among them.
  struct Wanted {
    size_t operations;
    bool features;
  };

  Tape(const Network& network, kernels::Convolution convolution);

  /// Runs on images x; outputs that are not wanted are undefined. `parameters` (views of θ) must stay as they are
  /// until release(). Moves the running statistics where `running` is given.
  Activations forward(Tensors parameters, const at::Tensor& x, Wanted wanted, const std::vector<at::Tensor>* running);

  /// Takes the cotangents of logits and features (undefined: zero) and writes the gradient of every parameter that they
  /// reach into `gradient`; others are not written. `keep`: tangent_backward will follow.
  void backward(Activations bar, Tensors gradient, bool keep);

  /// Takes the tangent of θ and returns those of logits and features. `keep`: tangent_backward will follow.
  Activations tangent(Tensors parameters_dot, bool keep);

  /// Takes the tangents of the cotangents that backward was given, and writes those of the gradients that it wrote: the
  /// product of the Hessian with `parameters_dot`, the tangent of θ that tangent() was given. Drops what tangent kept.
  void tangent_backward(Activations bar_dot, Tensors parameters_dot, Tensors gradient_dot);

  /// Drops everything that is kept.
  void release();

 private:
  /// What later sweeps need of a value.
  struct Retention {
    bool value = false;
    bool bar = false;
    bool dot = false;
    bool feature = false;           // kept until the sweep has returned it
    size_t last_reader = SIZE_MAX;  // a step
    int readers = 0;
  };

  void plan(const at::Tensor& x, Wanted wanted);
  /// Moves a unit's outputs to their slots. A map that only the unit's max-pool reads has none.
  void scatter(const Step& step, kernels::MapAndPool made, std::vector<at::Tensor>& slots) const;
  [[nodiscard]] kernels::UnitParameters unit_parameters(const Step& step, Tensors tensors) const;
  kernels::MapAndPool unit_forward(const Step& step, const kernels::UnitInput& input,
                                   const std::vector<at::Tensor>* running);
  /// A bias before batch norm has no gradient.
  void clear_unit_bias(const Step& step, Tensors gradient) const;
  [[nodiscard]] Activations collect(const std::vector<at::Tensor>& slots) const;
  static void seed(const Network& network, Activations bar, std::vector<at::Tensor>& slots);

  const Network& network_;
  kernels::Convolution convolution_;
  std::vector<Step> steps_;
  std::vector<Retention> keeps_;  // one a value
  Tensors parameters_;
  std::vector<at::Tensor> values_;
  std::vector<at::Tensor> bars_;
  std::vector<at::Tensor> dots_;
  std::vector<OperationRecord> records_;  // one an operation; a unit's is its first's
};

}  // namespace l2t::nets
