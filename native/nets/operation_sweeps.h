#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <utility>
#include <vector>

#include "native/kernels/conv_unit.h"
#include "native/nets/network.h"
#include "native/ops/add.h"
#include "native/ops/avg_pool.h"
#include "native/ops/batch_norm.h"
#include "native/ops/conv2d.h"
#include "native/ops/linear.h"
#include "native/ops/max_pool.h"
#include "native/ops/relu.h"

/// The four sweeps of each kind of operation: they call native/ops with the tensors that the network's indices name.
/// The tape calls them through std::visit.
namespace l2t::nets {

/// What an operation keeps between sweeps, beside values, cotangents and tangents.
struct OperationRecord {
  ops::BatchStatistics statistics;
  ops::BatchNormGradient bar;     // its sums only
  ops::BatchNormTangent tangent;  // its sums only
  at::Tensor places;              // of max-pool's maxima
  std::unique_ptr<kernels::ConvUnit> unit;
};

inline ops::Conv2dWindow window(const Conv2d& op) { return {op.stride, op.padding}; }
inline ops::MaxPoolWindow window(const MaxPool& op) { return {op.kernel, op.stride, op.padding}; }

inline at::Tensor at_index(Tensors tensors, int index) { return index < 0 ? at::Tensor() : tensors[index]; }

/// Returns y. In all sweeps `x` (or ẋ) is the operation's first input and `y` its output.
struct ForwardSweep {
  Tensors parameters;
  const std::vector<at::Tensor>* running;
  at::Tensor& x;
  const at::Tensor& skip;
  bool last;  // nothing reads x after this
  OperationRecord& record;

  at::Tensor operator()(const Conv2d& op) const {
    return ops::conv2d(x, parameters[op.weight], at_index(parameters, op.bias), window(op));
  }
  at::Tensor operator()(const BatchNorm& op) const {
    const auto mean = running != nullptr ? (*running)[op.mean] : at::Tensor();
    const auto variance = running != nullptr ? (*running)[op.variance] : at::Tensor();
    return ops::batch_norm(x, parameters[op.scale], parameters[op.shift], mean, variance, kRunningMomentum,
                           kBatchNormEpsilon, record.statistics);
  }
  at::Tensor operator()(const Relu& /*op*/) const { return ops::relu(last ? std::move(x) : x); }
  at::Tensor operator()(const Add& /*op*/) const { return ops::add(x, skip); }
  at::Tensor operator()(const MaxPool& op) const { return ops::max_pool(x, window(op), record.places); }
  at::Tensor operator()(const GlobalAveragePool& /*op*/) const { return ops::avg_pool(x); }
  at::Tensor operator()(const Linear& op) const { return ops::linear(x, parameters[op.weight], parameters[op.bias]); }
};

/// Writes the gradients of the operation's parameters and returns x̄.
struct BackwardSweep {
  Tensors parameters;
  const at::Tensor& x;
  const at::Tensor& y;
  at::Tensor& y_bar;
  bool input;
  Tensors gradient;
  OperationRecord& record;

  at::Tensor operator()(const Conv2d& op) const {
    const auto bar = ops::conv2d_backward(y_bar, x, parameters[op.weight], op.bias >= 0, input, window(op));
    gradient[op.weight].copy_(bar.w_bar);
    if (op.bias >= 0) gradient[op.bias].copy_(bar.b_bar);
    return bar.x_bar;
  }
  at::Tensor operator()(const BatchNorm& op) const {
    record.bar = ops::batch_norm_backward(y_bar, x, parameters[op.scale], record.statistics);
    gradient[op.scale].copy_(record.bar.scale_bar);
    gradient[op.shift].copy_(record.bar.shift_bar);
    return std::exchange(record.bar.x_bar, at::Tensor());
  }
  at::Tensor operator()(const Relu& /*op*/) const { return ops::relu_mask(std::move(y_bar), y); }
  at::Tensor operator()(const Add& /*op*/) const { return y_bar; }
  at::Tensor operator()(const MaxPool& op) const { return ops::max_pool_backward(y_bar, x, record.places, window(op)); }
  at::Tensor operator()(const GlobalAveragePool& /*op*/) const { return ops::avg_pool_backward(y_bar, x); }
  at::Tensor operator()(const Linear& op) const {
    const auto bar = ops::linear_backward(y_bar, x, parameters[op.weight]);
    gradient[op.weight].copy_(bar.w_bar);
    gradient[op.bias].copy_(bar.b_bar);
    return bar.x_bar;
  }
};

/// Returns ẏ.
struct TangentSweep {
  Tensors parameters;
  Tensors parameters_dot;
  const at::Tensor& x;
  at::Tensor& x_dot;
  const at::Tensor& skip_dot;
  bool last;  // nothing reads ẋ after this
  const at::Tensor& y;
  OperationRecord& record;

  at::Tensor operator()(const Conv2d& op) const {
    return ops::conv2d_tangent(x, x_dot, parameters[op.weight], parameters_dot[op.weight],
                               at_index(parameters_dot, op.bias), window(op));
  }
  at::Tensor operator()(const BatchNorm& op) const {
    record.tangent = ops::batch_norm_tangent(x, x_dot, parameters[op.scale], parameters_dot[op.scale],
                                             parameters_dot[op.shift], record.statistics);
    return std::exchange(record.tangent.y_dot, at::Tensor());
  }
  at::Tensor operator()(const Relu& /*op*/) const { return ops::relu_mask(last ? std::move(x_dot) : x_dot, y); }
  at::Tensor operator()(const Add& /*op*/) const { return ops::add(x_dot, skip_dot); }
  at::Tensor operator()(const MaxPool& /*op*/) const { return ops::max_pool_tangent(x_dot, record.places); }
  at::Tensor operator()(const GlobalAveragePool& /*op*/) const { return ops::avg_pool(x_dot); }
  at::Tensor operator()(const Linear& op) const {
    return ops::linear_tangent(x, x_dot, parameters[op.weight], parameters_dot[op.weight], parameters_dot[op.bias]);
  }
};

/// Writes the tangents of those gradients and returns x̄̇.
struct TangentBackwardSweep {
  Tensors parameters;
  Tensors parameters_dot;
  const at::Tensor& x;
  const at::Tensor& x_dot;
  const at::Tensor& y;
  const at::Tensor& y_bar;
  at::Tensor& y_bar_dot;
  at::Tensor& x_bar;  // batch norm computes it again where it was not kept
  bool input;
  Tensors gradient_dot;
  OperationRecord& record;

  at::Tensor operator()(const Conv2d& op) const {
    const auto dot = ops::conv2d_tangent_backward(y_bar, y_bar_dot, x, x_dot, parameters[op.weight],
                                                  parameters_dot[op.weight], op.bias >= 0, input, window(op));
    gradient_dot[op.weight].copy_(dot.w_bar);
    if (op.bias >= 0) gradient_dot[op.bias].copy_(dot.b_bar);
    return dot.x_bar;
  }
  at::Tensor operator()(const BatchNorm& op) const {
    auto dot =
        ops::batch_norm_tangent_backward(y_bar, y_bar_dot, x, x_dot, parameters[op.scale], parameters_dot[op.scale],
                                         record.statistics, record.tangent, record.bar);
    gradient_dot[op.scale].copy_(dot.scale_bar);
    gradient_dot[op.shift].copy_(dot.shift_bar);
    if (!x_bar.defined()) x_bar = std::exchange(record.bar.x_bar, at::Tensor());
    return dot.x_bar;
  }
  at::Tensor operator()(const Relu& /*op*/) const { return ops::relu_mask(std::move(y_bar_dot), y); }
  at::Tensor operator()(const Add& /*op*/) const { return y_bar_dot; }
  at::Tensor operator()(const MaxPool& op) const {
    return ops::max_pool_backward(y_bar_dot, x, record.places, window(op));
  }
  at::Tensor operator()(const GlobalAveragePool& /*op*/) const { return ops::avg_pool_backward(y_bar_dot, x); }
  at::Tensor operator()(const Linear& op) const {
    const auto dot =
        ops::linear_tangent_backward(y_bar, y_bar_dot, x, x_dot, parameters[op.weight], parameters_dot[op.weight]);
    gradient_dot[op.weight].copy_(dot.w_bar);
    gradient_dot[op.bias].copy_(dot.b_bar);
    return dot.x_bar;
  }
};

}  // namespace l2t::nets
