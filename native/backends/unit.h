#pragma once
#include <memory>
#include <vector>

#include "native/core/interface.h"
#include "native/core/layout.h"

namespace l2t::backends {

using Values = std::vector<at::Tensor>;

/// An undefined map stays undefined.
inline at::Tensor channels_last(const at::Tensor& map) {
  return map.defined() ? map.contiguous(at::MemoryFormat::ChannelsLast) : map;
}

/// How far the sweeps at a point go: to the gradient, to the tangent, or to the tangent of the gradient. A unit keeps
/// the inputs of the sweeps to come, and drops them after the last.
enum class Sweeps { kGradient, kTangent, kProduct };

/// One or several operations of a network, computed together at one θ, with batch statistics. It has the four sweeps
/// of its operations (ops/), called in this order, each at most once. An input that nothing else holds may be
/// overwritten. `theta` and so on are the tensors of the network's parameters, of their gradients, and so on.
class Unit : public Interface {
 public:
  /// Inputs → outputs. Moves batch norm's running statistics `running` unless null.
  virtual Values forward(Values x, Tensors theta, const Values* running) = 0;
  /// Cotangents of the outputs (undefined: zero) → of the inputs (undefined: not wanted). Writes the parameters'.
  virtual Values backward(Values y_bar, Tensors theta_bar) = 0;
  /// Tangents of the inputs (undefined: zero) → of the outputs.
  virtual Values tangent(Values x_dot, Tensors theta_dot) = 0;
  /// Tangents of what backward was given → of what it returned and wrote.
  virtual Values tangent_backward(Values y_bar_dot, Tensors theta_bar_dot) = 0;
};

/// A unit in its place: the indices of the values that it reads and makes.
struct Step {
  std::vector<int> inputs;
  std::vector<int> outputs;
  std::unique_ptr<Unit> unit;
};

}  // namespace l2t::backends
