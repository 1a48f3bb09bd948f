#include "native/backends/cpu/units.h"

#include "native/backends/cpu/conv_unit.h"
#include "native/backends/cpu/form.h"
#include "native/backends/reference/backend.h"

namespace l2t::backends::cpu {
namespace {

class Fused final : public Unit {
 public:
  Fused(const nets::Conv2d& conv, const nets::BatchNorm& norm, bool input, Sweeps sweeps, ConvUnit unit)
      : conv_(conv), norm_(norm), input_(input), keep_(sweeps == Sweeps::kProduct), unit_(std::move(unit)) {}

  Values forward(Values x, Tensors theta, const Values* running) override {
    const auto input = to_input(std::move(x));
    if (running == nullptr) return to_values(unit_.forward(input, own(theta), nets::kBatchNormEpsilon, nullptr));
    const UnitStatistics statistics{(*running)[norm_.mean], (*running)[norm_.variance],
                                    conv_.bias < 0 ? at::Tensor() : theta[conv_.bias], nets::kRunningMomentum};
    return to_values(unit_.forward(input, own(theta), nets::kBatchNormEpsilon, &statistics));
  }
  Values backward(Values z_bar, Tensors theta_bar) override {
    clear_bias(theta_bar);
    return to_values(unit_.backward(to_output(std::move(z_bar)), own(theta_bar), input_, keep_));
  }
  Values tangent(Values x_dot, Tensors theta_dot) override {
    return to_values(unit_.tangent(to_input(std::move(x_dot)), own(theta_dot), keep_));
  }
  Values tangent_backward(Values z_bar_dot, Tensors theta_bar_dot) override {
    clear_bias(theta_bar_dot);
    return to_values(unit_.tangent_backward(to_output(std::move(z_bar_dot)), own(theta_bar_dot), input_));
  }

 private:
  [[nodiscard]] UnitParameters own(Tensors tensors) const {
    return {tensors[conv_.weight], tensors[norm_.scale], tensors[norm_.shift]};
  }
  /// A bias before batch norm has no gradient.
  void clear_bias(Tensors theta_bar) const {
    if (conv_.bias >= 0) theta_bar[conv_.bias].zero_();
  }
  static UnitInput to_input(Values x) { return {std::move(x[0]), x.size() > 1 ? std::move(x[1]) : at::Tensor()}; }
  static MapAndPool to_output(Values z) { return {std::move(z[0]), z.size() > 1 ? std::move(z[1]) : at::Tensor()}; }
  static Values to_values(UnitInput input) { return {std::move(input.x), std::move(input.skip)}; }
  static Values to_values(MapAndPool output) { return {std::move(output.map), std::move(output.pooled)}; }

  nets::Conv2d conv_;
  nets::BatchNorm norm_;
  bool input_;
  bool keep_;
  ConvUnit unit_;
};

/// What follows batch norm in the unit; i is the operation after batch norm.
UnitEnd end_from(const Part& part, const std::vector<int64_t>& sides, size_t i) {
  UnitEnd end{};
  end.add = part.follower<nets::Add>(i) != nullptr && !part.is_feature(i);
  if (end.add) ++i;
  end.relu = part.follower<nets::Relu>(i) != nullptr && !part.is_feature(i);
  if (!end.relu) return end;
  const auto* const pool = part.follower<nets::MaxPool>(i + 1);
  end.pool = pool != nullptr && pool->kernel == 2 && pool->stride == 2 && pool->padding == 0 && sides[i + 1] % 2 == 0;
  return end;
}

/// The fused unit that begins with operation i; none where that is no 3×3 convolution before batch norm.
std::optional<Step> fused_at(const Part& part, const std::vector<int64_t>& sides, size_t i) {
  const auto& operations = part.network.operations;
  const auto* const conv = std::get_if<nets::Conv2d>(&operations[i].kind);
  if (conv == nullptr || conv->stride != 1 || conv->padding != 1) return {};
  const auto& shape = part.network.parameters[conv->weight].shape;
  const auto* const norm = part.follower<nets::BatchNorm>(i + 1);
  if (shape[2] != 3 || norm == nullptr || part.is_feature(i + 1)) return {};
  const auto form = form_for(sides[i + 1], shape[1]);
  if (!form) return {};
  const auto end = end_from(part, sides, i + 2);
  const int last = static_cast<int>(i) + 2 + (end.add ? 1 : 0) + (end.relu ? 1 : 0);
  Step step{operations[i].inputs, {last}, {}};
  if (end.add) step.inputs.push_back(operations[i + 2].inputs.back());
  if (end.pool) step.outputs.push_back(last + 1);
  step.unit = std::make_unique<Fused>(*conv, *norm, step.inputs.front() != 0, part.sweeps, ConvUnit(*form, end));
  return step;
}

}  // namespace

std::vector<Step> units(const Part& part) {
  const auto sides = nets::value_sides(part.network, part.x.size(2));
  std::vector<Step> steps;
  for (size_t i = 0; i < part.operations; i = steps.back().outputs.back()) {
    auto fused = fused_at(part, sides, i);
    steps.push_back(fused ? std::move(*fused) : reference::unit_of(part, i));
  }
  return steps;
}

}  // namespace l2t::backends::cpu
