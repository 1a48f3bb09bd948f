#include "native/nets/forward.h"

#include <ATen/ops/add.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/flatten.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/relu.h>

#include "native/ops/avg_pool.h"
#include "native/ops/conv2d.h"
#include "native/ops/padded_shortcut.h"

namespace l2t::nets {
namespace {

/// Applies one operation to its inputs.
struct Apply {
  Tensors parameters;
  Tensors buffers;
  Statistics statistics;
  const at::Tensor& x;
  const at::Tensor& skip;  // Add's second input

  [[nodiscard]] at::Tensor parameter(int index) const { return index < 0 ? at::Tensor() : parameters[index]; }

  at::Tensor operator()(const Conv2d& op) const {
    return ops::conv2d(x, parameter(op.weight), parameter(op.bias), {op.stride, op.padding, op.groups});
  }
  at::Tensor operator()(const BatchNorm& op) const {
    const bool given = statistics != Statistics::kBatch;
    return at::batch_norm(x, parameter(op.scale), parameter(op.shift), given ? buffers[op.mean] : at::Tensor(),
                          given ? buffers[op.variance] : at::Tensor(), statistics != Statistics::kRunning,
                          kRunningMomentum, kBatchNormEpsilon, /*cudnn_enabled=*/true);
  }
  at::Tensor operator()(const Relu& /*op*/) const { return at::relu(x); }
  at::Tensor operator()(const Relu6& /*op*/) const { return at::hardtanh(x, 0, 6); }
  at::Tensor operator()(const Add& /*op*/) const { return at::add(x, skip); }
  at::Tensor operator()(const PaddedShortcut& op) const {
    return ops::padded_shortcut(x, {op.stride, op.before, op.after});
  }
  at::Tensor operator()(const MaxPool& op) const {
    return at::max_pool2d(x, {op.kernel, op.kernel}, {op.stride, op.stride}, {op.padding, op.padding});
  }
  at::Tensor operator()(const GlobalAveragePool& /*op*/) const { return at::mean(x, {2, 3}); }
  at::Tensor operator()(const AdaptiveAveragePool& op) const { return ops::adaptive_avg_pool(x, op.side); }
  at::Tensor operator()(const Flatten& /*op*/) const { return at::flatten(x, 1); }
  at::Tensor operator()(const Linear& op) const { return at::linear(x, parameter(op.weight), parameter(op.bias)); }
};

}  // namespace

std::vector<int> last_readers(const Network& network) {
  std::vector<int> last(network.operations.size() + 1, -1);
  for (size_t i = 0; i < network.operations.size(); ++i) {
    for (const int input : network.operations[i].inputs) last[input] = static_cast<int>(i);
  }
  return last;
}

int64_t values_per_image(const Network& network) {
  int64_t sum = network.classes;
  for (const auto& feature : network.features) sum += feature.channels * feature.side * feature.side;
  return sum;
}

Activations activations_from(const Network& network, const at::Tensor& values) {
  const auto images = values.numel() / values_per_image(network);
  int64_t begin = 0;
  const auto next = [&](at::IntArrayRef shape) {
    const auto count = c10::multiply_integers(shape);
    begin += count;
    return values.narrow(0, begin - count, count).view(shape);
  };
  Activations result;
  for (const auto& [value, channels, stem, side] : network.features) {
    result.features.push_back(next({images, channels, side, side}));
  }
  result.logits = next({images, network.classes});
  return result;
}

at::Tensor apply(const OperationKind& kind, Tensors parameters, Tensors buffers, Statistics statistics,
                 const at::Tensor& x, const at::Tensor& skip) {
  return std::visit(Apply{parameters, buffers, statistics, x, skip}, kind);
}

Activations forward(const Network& network, Tensors parameters, Tensors buffers, const at::Tensor& x,
                    Statistics statistics) {
  const auto last = last_readers(network);
  std::vector<at::Tensor> values(network.operations.size() + 1);
  values[0] = x;
  Activations result;
  result.features.reserve(network.features.size());
  for (size_t i = 0; i < network.operations.size(); ++i) {
    const auto& [kind, inputs] = network.operations[i];
    values[i + 1] = apply(kind, parameters, buffers, statistics, values[inputs.front()], values[inputs.back()]);
    const auto& features = network.features;
    const auto next = result.features.size();
    if (next < features.size() && features[next].value == static_cast<int>(i) + 1)
      result.features.push_back(values[i + 1]);
    for (const int input : inputs) {
      if (last[input] == static_cast<int>(i)) values[input].reset();
    }
  }
  result.logits = values.back();
  return result;
}

}  // namespace l2t::nets
