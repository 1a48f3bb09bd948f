#include "native/nets/tape.h"

#include <ATen/ops/add.h>

#include "native/ops/add.h"
#include "native/ops/avg_pool.h"
#include "native/ops/conv2d.h"
#include "native/ops/linear.h"
#include "native/ops/max_pool.h"
#include "native/ops/relu.h"

namespace l2t::nets {
namespace {

using Tensors = std::vector<at::Tensor>;

ops::Conv2dWindow window(const Conv2d& op) { return {op.stride, op.padding}; }
ops::MaxPoolWindow window(const MaxPool& op) { return {op.kernel, op.stride, op.padding}; }

at::Tensor at_index(const Tensors& tensors, int index) { return index < 0 ? at::Tensor() : tensors[index]; }

/// Several readers of a value add up. In place only where nobody else holds the sum so far: a residual add hands the
/// same cotangent to both of its inputs.
void accumulate(at::Tensor& slot, const at::Tensor& term) {
  if (!term.defined()) return;
  if (!slot.defined()) {
    slot = term;
  } else if (slot.use_count() == 1) {
    slot.add_(term);
  } else {
    slot = at::add(slot, term);
  }
}

/// What a unit makes, to its places among the values.
void scatter(const Step& step, kernels::Pooled made, Tensors& slots) {
  slots[step.map()] = std::move(made.map);
  if (made.pooled.defined()) slots[step.last + 1] = std::move(made.pooled);
}

kernels::UnitInput unit_input(const Step& step, const std::vector<int>& inputs, const Tensors& slots) {
  return {slots[inputs.front()], step.end.add ? slots[inputs.back()] : at::Tensor()};
}

/// Takes the cotangents of what a unit made.
kernels::Pooled gather(const Step& step, Tensors& slots) {
  kernels::Pooled bar{std::move(slots[step.map()]), {}};
  if (step.end.pool) bar.pooled = std::move(slots[step.last + 1]);
  return bar;
}

bool reads_input_later(const Operation& operation) {
  return !std::holds_alternative<Relu>(operation.kind) && !std::holds_alternative<Add>(operation.kind);
}

/// Is linear in θ and x at once, so that its tangent_backward reads ȳ and ẋ: a convolution, batch norm or linear layer?
bool has_parameters(const Operation& operation) {
  return std::holds_alternative<Conv2d>(operation.kind) || std::holds_alternative<BatchNorm>(operation.kind) ||
         std::holds_alternative<Linear>(operation.kind);
}

}  // namespace

/// One operation of each sweep. `x`, `x_dot`: its first input; `y`: its output.
struct Tape::Forward {
  const Tensors& parameters;
  const Tensors* running;
  at::Tensor& x;
  const at::Tensor& skip;
  bool last;  // nothing reads x after this
  Record& record;

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

/// Writes the operation's W̄ and returns x̄.
struct Tape::Backward {
  const Tensors& parameters;
  const at::Tensor& x;
  const at::Tensor& y;
  at::Tensor& y_bar;
  bool input;
  const Tensors& gradient;
  Record& record;

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
struct Tape::Tangent {
  const Tensors& parameters;
  const Tensors& parameters_dot;
  const at::Tensor& x;
  at::Tensor& x_dot;
  const at::Tensor& skip_dot;
  bool last;  // nothing reads ẋ after this
  const at::Tensor& y;
  Record& record;

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

/// Writes the operation's W̄̇ and returns x̄̇.
struct Tape::TangentBackward {
  const Tensors& parameters;
  const Tensors& parameters_dot;
  const at::Tensor& x;
  const at::Tensor& x_dot;
  const at::Tensor& y;
  const at::Tensor& y_bar;
  at::Tensor& y_bar_dot;
  at::Tensor& x_bar;  // batch norm makes it again where it was not kept
  bool input;
  const Tensors& gradient_dot;
  Record& record;

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

Tape::Tape(const Network& network, kernels::Convolution convolution)
    : network_(network),
      convolution_(convolution),
      values_(network.operations.size() + 1),
      bars_(values_.size()),
      dots_(values_.size()),
      records_(network.operations.size()) {}

void Tape::plan(const at::Tensor& x, size_t operations) {
  steps_ = make_plan(network_, operations, x, convolution_);
  keeps_.assign(values_.size(), {});
  for (size_t k = 0; k < steps_.size(); ++k) {
    const auto& step = steps_[k];
    const auto& operation = network_.operations[step.first];
    // A unit keeps by itself what its later sweeps read.
    for (const int input : step.inputs(network_)) {
      keeps_[input].value |= !step.fused() && reads_input_later(operation);
      keeps_[input].dot |= !step.fused() && has_parameters(operation);
      keeps_[input].last_reader = k;
      ++keeps_[input].readers;
    }
    keeps_[step.last + 1].value |= !step.fused() && std::holds_alternative<Relu>(operation.kind);
    keeps_[step.last + 1].bar = !step.fused() && has_parameters(operation);
  }
  for (const auto& feature : network_.features) keeps_[feature.value].value = keeps_[feature.value].feature = true;
  for (const auto& step : steps_) {
    // Batch norm's tangent_backward makes x̄ again: all of x's cotangent where it is the only reader.
    const auto& operation = network_.operations[step.first];
    auto& x = keeps_[operation.inputs.front()];
    if (std::holds_alternative<BatchNorm>(operation.kind) && x.readers == 1 && !x.feature) x.bar = false;
  }
}

kernels::UnitParameters Tape::unit_parameters(const Step& step, const Tensors& tensors) const {
  const auto& conv = std::get<Conv2d>(network_.operations[step.first].kind);
  const auto& norm = std::get<BatchNorm>(network_.operations[step.first + 1].kind);
  return {tensors[conv.weight], tensors[norm.scale], tensors[norm.shift]};
}

kernels::Pooled Tape::unit_forward(const Step& step, const kernels::UnitInput& input, const Tensors* running) {
  const auto& conv = std::get<Conv2d>(network_.operations[step.first].kind);
  const auto& norm = std::get<BatchNorm>(network_.operations[step.first + 1].kind);
  auto& unit = records_[step.first].unit;
  unit.emplace(*step.form, step.end);
  const auto parameters = unit_parameters(step, parameters_);
  if (running == nullptr) return unit->forward(input, parameters, kBatchNormEpsilon, nullptr);
  const kernels::UnitStatistics statistics{(*running)[norm.mean], (*running)[norm.variance],
                                           at_index(parameters_, conv.bias), kRunningMomentum};
  return unit->forward(input, parameters, kBatchNormEpsilon, &statistics);
}

void Tape::clear_unit_bias(const Step& step, const Tensors& gradient) const {
  const auto& conv = std::get<Conv2d>(network_.operations[step.first].kind);
  if (conv.bias >= 0) gradient[conv.bias].zero_();
}

Activations Tape::forward(const Tensors& parameters, const at::Tensor& x, size_t operations, const Tensors* running) {
  plan(x, operations);
  parameters_ = parameters;
  values_[0] = x;
  for (size_t k = 0; k < steps_.size(); ++k) {
    const auto& step = steps_[k];
    const auto& kind = network_.operations[step.first].kind;
    const auto inputs = step.inputs(network_);
    const auto dropped = [&](int value) { return keeps_[value].last_reader == k && !keeps_[value].value; };
    if (step.fused()) {
      scatter(step, unit_forward(step, unit_input(step, inputs, values_), running), values_);
    } else {
      values_[step.last + 1] = std::visit(Forward{parameters_, running, values_[inputs.front()], values_[inputs.back()],
                                                  dropped(inputs.front()), records_[step.first]},
                                          kind);
    }
    for (const int value : inputs) {
      if (dropped(value)) values_[value].reset();
    }
  }
  return collect(values_);
}

void Tape::backward(Activations bar, const Tensors& gradient, bool keep) {
  seed(network_, std::move(bar), bars_);
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    const auto& kind = network_.operations[step->first].kind;
    const auto inputs = step->inputs(network_);
    auto& y_bar = bars_[step->last + 1];
    if (!y_bar.defined() && !bars_[step->map()].defined()) continue;
    const bool input = inputs.front() != 0;
    auto& record = records_[step->first];
    if (step->fused()) {
      const auto bar = record.unit->backward(gather(*step, bars_), unit_parameters(*step, gradient), input, keep);
      accumulate(bars_[inputs.front()], bar.x);
      accumulate(bars_[inputs.back()], bar.skip);
      clear_unit_bias(*step, gradient);
    } else {
      const auto x_bar = std::visit(
          Backward{parameters_, values_[inputs.front()], values_[step->last + 1], y_bar, input, gradient, record},
          kind);
      for (const int value : inputs) accumulate(bars_[value], x_bar);
    }
    if (!keep || !keeps_[step->last + 1].bar) y_bar.reset();
  }
}

Activations Tape::tangent(const Tensors& parameters_dot, bool keep) {
  for (size_t k = 0; k < steps_.size(); ++k) {
    const auto& step = steps_[k];
    const auto& kind = network_.operations[step.first].kind;
    const auto inputs = step.inputs(network_);
    auto& x_dot = dots_[inputs.front()];
    auto& record = records_[step.first];
    const auto dropped = [&](int value) {
      const auto& keeps = keeps_[value];
      return keeps.last_reader == k && !keeps.feature && !(keep && keeps.dot);
    };
    if (step.fused()) {
      scatter(step, record.unit->tangent(unit_input(step, inputs, dots_), unit_parameters(step, parameters_dot), keep),
              dots_);
    } else {
      dots_[step.last + 1] =
          std::visit(Tangent{parameters_, parameters_dot, values_[inputs.front()], x_dot, dots_[inputs.back()],
                             dropped(inputs.front()), values_[step.last + 1], record},
                     kind);
    }
    for (const int value : inputs) {
      if (dropped(value)) dots_[value].reset();
    }
  }
  auto result = collect(dots_);
  if (!keep) dots_.assign(dots_.size(), {});
  return result;
}

void Tape::tangent_backward(Activations bar_dot, const Tensors& parameters_dot, const Tensors& gradient_dot) {
  Tensors bar_dots(values_.size());
  seed(network_, std::move(bar_dot), bar_dots);
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    const auto& kind = network_.operations[step->first].kind;
    const auto inputs = step->inputs(network_);
    auto& y_bar_dot = bar_dots[step->last + 1];
    if (!y_bar_dot.defined() && !bar_dots[step->map()].defined()) continue;
    const int first = inputs.front();
    auto& record = records_[step->first];
    if (step->fused()) {
      const auto bar_dot =
          record.unit->tangent_backward(gather(*step, bar_dots), unit_parameters(*step, gradient_dot), first != 0);
      accumulate(bar_dots[first], bar_dot.x);
      accumulate(bar_dots[inputs.back()], bar_dot.skip);
      clear_unit_bias(*step, gradient_dot);
    } else {
      const auto x_bar_dot =
          std::visit(TangentBackward{parameters_, parameters_dot, values_[first], dots_[first], values_[step->last + 1],
                                     bars_[step->last + 1], y_bar_dot, bars_[first], first != 0, gradient_dot, record},
                     kind);
      for (const int value : inputs) accumulate(bar_dots[value], x_bar_dot);
    }
    y_bar_dot.reset();
    bars_[step->last + 1].reset();
  }
  dots_.assign(dots_.size(), {});
}

void Tape::release() {
  parameters_.clear();
  values_.assign(values_.size(), {});
  bars_.assign(bars_.size(), {});
  dots_.assign(dots_.size(), {});
  records_.clear();
  records_.resize(network_.operations.size());
}

Activations Tape::collect(const Tensors& tensors) const {
  Activations result;
  for (const auto& feature : network_.features) result.features.push_back(tensors[feature.value]);
  if (!steps_.empty() && steps_.back().last + 1 == network_.operations.size()) result.logits = tensors.back();
  return result;
}

void Tape::seed(const Network& network, Activations bar, Tensors& slots) {
  if (bar.logits.defined()) slots.back() = std::move(bar.logits);
  for (size_t n = 0; n < bar.features.size(); ++n) {
    if (bar.features[n].defined()) slots[network.features[n].value] = std::move(bar.features[n]);
  }
}

}  // namespace l2t::nets
