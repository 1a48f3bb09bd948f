#include "native/tape/tape.h"

#include <ATen/ops/add.h>

#include <algorithm>

namespace l2t::tape {
namespace {

/// Adds a reader's cotangent to a value's. In place only where nothing else holds the sum so far: a residual add passes
/// the same tensor to both of its inputs.
void accumulate(at::Tensor& sum, at::Tensor term) {
  if (!term.defined()) return;
  if (!sum.defined()) {
    sum = std::move(term);
  } else if (sum.use_count() == 1) {
    sum.add_(term);
  } else {
    sum = at::add(sum, term);
  }
}

}  // namespace

void Tape::plan(const at::Tensor& x, const SharedBatch& norm, Extent extent) {
  steps_ = backend_.units({network_, extent.operations, x, sweeps_, norm});
  const auto values = network_.operations.size() + 1;
  last_reader_.assign(values, 0);
  for (size_t k = 0; k < steps_.size(); ++k) {
    for (const int input : steps_[k].inputs) last_reader_[input] = k;
  }
  returned_.assign(values, false);
  returned_.back() = true;
  for (const auto& feature : network_.features) returned_[feature.value] = extent.features;
}

Activations Tape::run(at::Tensor x, const std::function<Values(backends::Unit&, Values)>& sweep) const {
  Values values(returned_.size());
  values[0] = std::move(x);
  for (size_t k = 0; k < steps_.size(); ++k) {
    const auto& step = steps_[k];
    Values inputs;
    for (const int i : step.inputs) inputs.push_back(values[i]);
    for (const int i : step.inputs) {
      if (last_reader_[i] == k && !returned_[i]) values[i].reset();
    }
    auto outputs = sweep(*step.unit, std::move(inputs));
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      const int value = step.outputs[i];
      if (returned_[value] || last_reader_[value] > k) values[value] = std::move(outputs[i]);
    }
  }
  Activations result{std::move(values.back()), {}};
  for (const auto& feature : network_.features) {
    result.features.push_back(returned_[feature.value] ? std::move(values[feature.value]) : at::Tensor());
  }
  return result;
}

void Tape::run_back(Activations bar, Tensors theta_bar,
                    const std::function<Values(backends::Unit&, Values)>& sweep) const {
  Values bars(returned_.size());
  bars.back() = std::move(bar.logits);
  for (size_t n = 0; n < bar.features.size(); ++n) {
    if (bar.features[n].defined()) bars[network_.features[n].value] = std::move(bar.features[n]);
  }
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    Values outputs;
    for (const int value : step->outputs) outputs.push_back(std::move(bars[value]));
    if (std::none_of(outputs.begin(), outputs.end(), [](const auto& output) { return output.defined(); })) {
      const auto before = std::next(step);
      nets::for_parameters(network_, before == steps_.rend() ? 0 : before->outputs.back(), step->outputs.back(),
                           [&](int index) { theta_bar[index].zero_(); });
      continue;
    }
    auto inputs = sweep(*step->unit, std::move(outputs));
    for (size_t i = 0; i < step->inputs.size(); ++i) accumulate(bars[step->inputs[i]], std::move(inputs[i]));
  }
}

size_t Tape::parameters() const {
  const size_t end = steps_.empty() ? 0 : steps_.back().outputs.back();
  int count = 0;
  nets::for_parameters(network_, 0, end, [&](int index) { count = std::max(count, index + 1); });
  nets::for_parameters(network_, end, network_.operations.size(), [&](int index) {
    if (index < count) count = 0;
  });
  return count;
}

Activations Tape::forward(Tensors theta, const at::Tensor& x, const SharedBatch& norm, Extent extent,
                          const Values* running) {
  plan(x, norm, extent);
  return run(x, [&](auto& unit, Values values) { return unit.forward(std::move(values), theta, running); });
}

void Tape::backward(Activations bar, Tensors theta_bar) {
  run_back(std::move(bar), theta_bar,
           [&](auto& unit, Values bars) { return unit.backward(std::move(bars), theta_bar); });
}

Activations Tape::tangent(Tensors theta_dot) {
  return run({}, [&](auto& unit, Values dots) { return unit.tangent(std::move(dots), theta_dot); });
}

void Tape::tangent_backward(Activations bar_dot, Tensors theta_bar_dot) {
  run_back(std::move(bar_dot), theta_bar_dot,
           [&](auto& unit, Values bars) { return unit.tangent_backward(std::move(bars), theta_bar_dot); });
}

}  // namespace l2t::tape
