#pragma once
#include <functional>

#include "native/backends/backend.h"
#include "native/nets/forward.h"

namespace l2t::tape {

using backends::Values;
using nets::Activations;

/// Runs the four sweeps over a network's units, at one θ, with batch statistics. The units keep what their later sweeps
/// read; the tape holds a value, tangent or cotangent only until its last reader has it.
class Tape {
 public:
  /// How far to run the network: the first `operations` of its list, with or without the features among them.
  struct Extent {
    size_t operations;
    bool features;
  };

  Tape(const nets::Network& network, const backends::Backend& backend, backends::Sweeps sweeps)
      : network_(network), backend_(backend), sweeps_(sweeps) {}

  /// Runs on images x; outputs outside `extent` are undefined. Batch norm's statistics are of `norm`. `theta` must
  /// stay as it is as long as the tape lives. Moves the running statistics where `running` is given.
  Activations forward(Tensors theta, const at::Tensor& x, const SharedBatch& norm, Extent extent,
                      const Values* running);

  /// How many parameters, from the first one on, all belong to operations that ran; 0 where the parameters do not lie
  /// in the order of the operations.
  [[nodiscard]] size_t parameters() const;

  /// Takes the cotangents of logits and features (undefined: zero) and writes the gradients of all parameters of the
  /// operations that ran into `theta_bar`: zero where no cotangent reaches. It writes no others.
  void backward(Activations bar, Tensors theta_bar);

  /// Takes the tangent of θ and returns those of logits and features.
  Activations tangent(Tensors theta_dot);

  /// Takes the tangents of the cotangents that backward was given, and writes those of the gradients that it wrote: the
  /// product of the Hessian with tangent's `theta_dot`.
  void tangent_backward(Activations bar_dot, Tensors theta_bar_dot);

 private:
  void plan(const at::Tensor& x, const SharedBatch& norm, Extent extent);
  /// From the images on: values or tangents.
  Activations run(at::Tensor x, const std::function<Values(backends::Unit&, Values)>& sweep) const;
  /// From the outputs back: cotangents or their tangents. Clears the gradients of operations that they do not reach.
  void run_back(Activations bar, Tensors theta_bar, const std::function<Values(backends::Unit&, Values)>& sweep) const;

  const nets::Network& network_;
  const backends::Backend& backend_;
  backends::Sweeps sweeps_;
  std::vector<backends::Step> steps_;
  std::vector<size_t> last_reader_;  // of each value: a step
  std::vector<bool> returned_;       // true: a wanted feature, or the logits
};

}  // namespace l2t::tape
