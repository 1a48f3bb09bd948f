#include "native/nets/tape.h"

#include <ATen/ops/add.h>

namespace l2t::nets {
namespace {

using Slots = std::vector<at::Tensor>;

/// Adds a reader's cotangent to a value's. In place only where nothing else holds the sum so far: a residual add passes
/// the same tensor to both of its inputs.
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

kernels::UnitInput unit_input(const Step& step, const std::vector<int>& inputs, const Slots& slots) {
  return {slots[inputs.front()], step.end.add ? slots[inputs.back()] : at::Tensor()};
}

/// Moves the cotangents of a unit's outputs out of their slots.
kernels::MapAndPool gather(const Step& step, Slots& slots) {
  kernels::MapAndPool bar{std::move(slots[step.map()]), {}};
  if (step.end.pool) bar.pooled = std::move(slots[step.last + 1]);
  return bar;
}

bool reads_input_later(const Operation& operation) {
  return !std::holds_alternative<Relu>(operation.kind) && !std::holds_alternative<Add>(operation.kind);
}

/// A convolution, batch norm or linear layer: it multiplies x by parameters, so its tangent_backward reads ȳ and ẋ.
bool has_parameters(const Operation& operation) {
  return std::holds_alternative<Conv2d>(operation.kind) || std::holds_alternative<BatchNorm>(operation.kind) ||
         std::holds_alternative<Linear>(operation.kind);
}

}  // namespace

Tape::Tape(const Network& network, kernels::Convolution convolution)
    : network_(network),
      convolution_(convolution),
      values_(network.operations.size() + 1),
      bars_(values_.size()),
      dots_(values_.size()),
      records_(network.operations.size()) {}

void Tape::scatter(const Step& step, kernels::MapAndPool made, Slots& slots) const {
  if (!step.end.pool || keeps_[step.map()].feature) slots[step.map()] = std::move(made.map);
  if (step.end.pool) slots[step.last + 1] = std::move(made.pooled);
}

void Tape::plan(const at::Tensor& x, Wanted wanted) {
  steps_ = make_plan(network_, wanted.operations, x, convolution_);
  keeps_.assign(values_.size(), {});
  for (size_t k = 0; k < steps_.size(); ++k) {
    const auto& step = steps_[k];
    const auto& operation = network_.operations[step.first];
    // A unit keeps what its later sweeps read.
    for (const int input : step.inputs(network_)) {
      keeps_[input].value |= !step.fused && reads_input_later(operation);
      keeps_[input].dot |= !step.fused && has_parameters(operation);
      keeps_[input].last_reader = k;
      ++keeps_[input].readers;
    }
    keeps_[step.last + 1].value |= !step.fused && std::holds_alternative<Relu>(operation.kind);
    keeps_[step.last + 1].bar = !step.fused && has_parameters(operation);
  }
  for (const auto& feature : network_.features) {
    if (wanted.features) keeps_[feature.value].value = keeps_[feature.value].feature = true;
  }
  for (const auto& step : steps_) {
    // Batch norm's tangent_backward computes x̄ again. Where it is the only reader of x, that is x's whole cotangent.
    const auto& operation = network_.operations[step.first];
    auto& x = keeps_[operation.inputs.front()];
    if (std::holds_alternative<BatchNorm>(operation.kind) && x.readers == 1 && !x.feature) x.bar = false;
  }
}

kernels::UnitParameters Tape::unit_parameters(const Step& step, Tensors tensors) const {
  const auto& conv = std::get<Conv2d>(network_.operations[step.first].kind);
  const auto& norm = std::get<BatchNorm>(network_.operations[step.first + 1].kind);
  return {tensors[conv.weight], tensors[norm.scale], tensors[norm.shift]};
}

kernels::MapAndPool Tape::unit_forward(const Step& step, const kernels::UnitInput& input, const Slots* running) {
  const auto& conv = std::get<Conv2d>(network_.operations[step.first].kind);
  const auto& norm = std::get<BatchNorm>(network_.operations[step.first + 1].kind);
  auto& unit = *(records_[step.first].unit = std::make_unique<kernels::ConvUnit>(step.form, step.end));
  const auto parameters = unit_parameters(step, parameters_);
  if (running == nullptr) return unit.forward(input, parameters, kBatchNormEpsilon, nullptr);
  const kernels::UnitStatistics statistics{(*running)[norm.mean], (*running)[norm.variance],
                                           at_index(parameters_, conv.bias), kRunningMomentum};
  return unit.forward(input, parameters, kBatchNormEpsilon, &statistics);
}

void Tape::clear_unit_bias(const Step& step, Tensors gradient) const {
  const auto& conv = std::get<Conv2d>(network_.operations[step.first].kind);
  if (conv.bias >= 0) gradient[conv.bias].zero_();
}

Activations Tape::forward(Tensors parameters, const at::Tensor& x, Wanted wanted, const Slots* running) {
  plan(x, wanted);
  parameters_ = parameters;
  values_[0] = x;
  for (size_t k = 0; k < steps_.size(); ++k) {
    const auto& step = steps_[k];
    const auto& kind = network_.operations[step.first].kind;
    const auto inputs = step.inputs(network_);
    const auto dropped = [&](int value) { return keeps_[value].last_reader == k && !keeps_[value].value; };
    if (step.fused) {
      scatter(step, unit_forward(step, unit_input(step, inputs, values_), running), values_);
    } else {
      values_[step.last + 1] = std::visit(ForwardSweep{.parameters = parameters_,
                                                       .running = running,
                                                       .x = values_[inputs.front()],
                                                       .skip = values_[inputs.back()],
                                                       .last = dropped(inputs.front()),
                                                       .record = records_[step.first]},
                                          kind);
    }
    for (const int value : inputs) {
      if (dropped(value)) values_[value].reset();
    }
  }
  return collect(values_);
}

void Tape::backward(Activations bar, Tensors gradient, bool keep) {
  seed(network_, std::move(bar), bars_);
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    const auto& kind = network_.operations[step->first].kind;
    const auto inputs = step->inputs(network_);
    auto& y_bar = bars_[step->last + 1];
    if (!y_bar.defined() && !bars_[step->map()].defined()) continue;
    const bool input = inputs.front() != 0;
    auto& record = records_[step->first];
    if (step->fused) {
      const auto bar = record.unit->backward(gather(*step, bars_), unit_parameters(*step, gradient), input, keep);
      accumulate(bars_[inputs.front()], bar.x);
      accumulate(bars_[inputs.back()], bar.skip);
      clear_unit_bias(*step, gradient);
    } else {
      const auto x_bar = std::visit(BackwardSweep{.parameters = parameters_,
                                                  .x = values_[inputs.front()],
                                                  .y = values_[step->last + 1],
                                                  .y_bar = y_bar,
                                                  .input = input,
                                                  .gradient = gradient,
                                                  .record = record},
                                    kind);
      for (const int value : inputs) accumulate(bars_[value], x_bar);
    }
    if (!keep || !keeps_[step->last + 1].bar) y_bar.reset();
  }
}

Activations Tape::tangent(Tensors parameters_dot, bool keep) {
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
    if (step.fused) {
      scatter(step, record.unit->tangent(unit_input(step, inputs, dots_), unit_parameters(step, parameters_dot), keep),
              dots_);
    } else {
      dots_[step.last + 1] = std::visit(TangentSweep{.parameters = parameters_,
                                                     .parameters_dot = parameters_dot,
                                                     .x = values_[inputs.front()],
                                                     .x_dot = x_dot,
                                                     .skip_dot = dots_[inputs.back()],
                                                     .last = dropped(inputs.front()),
                                                     .y = values_[step.last + 1],
                                                     .record = record},
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

void Tape::tangent_backward(Activations bar_dot, Tensors parameters_dot, Tensors gradient_dot) {
  Slots bar_dots(values_.size());
  seed(network_, std::move(bar_dot), bar_dots);
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    const auto& kind = network_.operations[step->first].kind;
    const auto inputs = step->inputs(network_);
    auto& y_bar_dot = bar_dots[step->last + 1];
    if (!y_bar_dot.defined() && !bar_dots[step->map()].defined()) continue;
    const int first = inputs.front();
    auto& record = records_[step->first];
    if (step->fused) {
      const auto bar_dot =
          record.unit->tangent_backward(gather(*step, bar_dots), unit_parameters(*step, gradient_dot), first != 0);
      accumulate(bar_dots[first], bar_dot.x);
      accumulate(bar_dots[inputs.back()], bar_dot.skip);
      clear_unit_bias(*step, gradient_dot);
    } else {
      const auto x_bar_dot = std::visit(TangentBackwardSweep{.parameters = parameters_,
                                                             .parameters_dot = parameters_dot,
                                                             .x = values_[first],
                                                             .x_dot = dots_[first],
                                                             .y = values_[step->last + 1],
                                                             .y_bar = bars_[step->last + 1],
                                                             .y_bar_dot = y_bar_dot,
                                                             .x_bar = bars_[first],
                                                             .input = first != 0,
                                                             .gradient_dot = gradient_dot,
                                                             .record = record},
                                        kind);
      for (const int value : inputs) accumulate(bar_dots[value], x_bar_dot);
    }
    y_bar_dot.reset();
    bars_[step->last + 1].reset();
  }
  dots_.assign(dots_.size(), {});
}

void Tape::release() {
  parameters_ = {};
  values_.assign(values_.size(), {});
  bars_.assign(bars_.size(), {});
  dots_.assign(dots_.size(), {});
  records_.clear();
  records_.resize(network_.operations.size());
}

Activations Tape::collect(const Slots& slots) const {
  Activations result;
  for (const auto& feature : network_.features) {
    result.features.push_back(keeps_[feature.value].feature ? slots[feature.value] : at::Tensor());
  }
  if (!steps_.empty() && steps_.back().last + 1 == network_.operations.size()) result.logits = slots.back();
  return result;
}

void Tape::seed(const Network& network, Activations bar, Slots& slots) {
  if (bar.logits.defined()) slots.back() = std::move(bar.logits);
  for (size_t n = 0; n < bar.features.size(); ++n) {
    if (bar.features[n].defined()) slots[network.features[n].value] = std::move(bar.features[n]);
  }
}

}  // namespace l2t::nets
