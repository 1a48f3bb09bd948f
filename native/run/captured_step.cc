#include "native/run/captured_step.h"

#include <ATen/ops/empty_like.h>

#include <utility>

namespace l2t::run {

CapturedStep::CapturedStep(std::unique_ptr<backends::Graphs> graphs, Work work)
    : graphs_(std::move(graphs)), work_(std::move(work)) {}

void CapturedStep::reset() {
  fixed_.clear();
  if (graphs_) graphs_->reset();
}

at::Tensor CapturedStep::run(Kind kind, const Inputs& inputs) {
  if (!graphs_) return work_(kind, inputs);
  Shapes shapes;
  for (const auto& input : inputs) shapes.push_back(input.sizes().vec());
  auto& fixed = fixed_[{kind, shapes}];
  if (fixed.inputs.empty()) {
    for (const auto& input : inputs) fixed.inputs.push_back(at::empty_like(input));
  }
  for (size_t i = 0; i < inputs.size(); ++i) graphs_->copy_in(fixed.inputs[i], inputs[i]);
  // A test's graphs call it again at each replay, so it must outlive this call.
  const auto work = [this, kind, &fixed] {
    const auto result = work_(kind, fixed.inputs);
    if (!fixed.result.defined()) fixed.result = at::empty_like(result);
    fixed.result.copy_(result);
  };
  if (fixed.warm_ups < kWarmUps) {
    graphs_->warm_up(work);
    ++fixed.warm_ups;
    return fixed.result;
  }
  // A capture does not run the work: the first replay does.
  if (!fixed.graph) fixed.graph = graphs_->capture(work);
  graphs_->replay(*fixed.graph);
  return fixed.result;
}

size_t CapturedStep::launches() const {
  size_t sum = 0;
  for (const auto& [key, fixed] : fixed_) sum += fixed.graph ? graphs_->launches(*fixed.graph) : 0;
  return sum;
}

}  // namespace l2t::run
