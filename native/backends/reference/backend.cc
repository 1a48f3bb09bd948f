#include "native/backends/reference/backend.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/pow.h>

#include "native/ops/conv2d.h"

namespace l2t::backends::reference {
namespace {

double per_place(const at::Tensor& map) { return 1.0 / static_cast<double>(map.size(2) * map.size(3)); }

/// (2/HW) k D, which is D̄; of Ḋ it is D̄̇.
at::Tensor weighted(const MatchingInputs& maps, const at::Tensor& difference) {
  return difference * (maps.coefficient * (2 * per_place(difference))).unsqueeze(2).unsqueeze(3);
}

at::Tensor difference_of(const MatchingInputs& maps, const Pointwise& branches) {
  return ops::conv2d(maps.t, branches.weight, branches.bias, ops::kPointwise).sub_(maps.source);
}

class Reference final : public Backend {
 public:
  [[nodiscard]] const char* name() const override { return "reference"; }

  [[nodiscard]] std::vector<Step> units(const Part& part) const override {
    std::vector<Step> steps;
    for (size_t i = 0; i < part.operations; i = steps.back().outputs.back()) steps.push_back(unit_of(part, i));
    return steps;
  }

  [[nodiscard]] MatchingSweep matching_gradient(const MatchingInputs& maps, const Pointwise& branches) const override {
    const auto difference = difference_of(maps, branches);
    const auto loss = (difference.square().sum({2, 3}) * maps.coefficient).sum() * per_place(difference);
    const auto bar = ops::conv2d_backward(weighted(maps, difference), maps.t, branches.weight, /*bias=*/true,
                                          /*input=*/true, ops::kPointwise);
    return {loss, bar.x_bar, {bar.w_bar, bar.b_bar}};
  }

  [[nodiscard]] MatchingSweep matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot,
                                               const Pointwise& branches, const Pointwise& branches_dot,
                                               bool product) const override {
    // Computes D again: a small convolution, which saves keeping the map D between the sweeps.
    const auto difference = difference_of(maps, branches);
    const auto difference_dot =
        ops::conv2d_tangent(maps.t, t_dot, branches.weight, branches_dot.weight, branches_dot.bias, ops::kPointwise);
    MatchingSweep result{(difference * difference_dot).sum({2, 3}) * (2 * per_place(difference)), {}, {}};
    if (!product) return result;
    const auto dot = ops::conv2d_tangent_backward(weighted(maps, difference), weighted(maps, difference_dot), maps.t,
                                                  t_dot, branches.weight, branches_dot.weight, /*bias=*/true,
                                                  /*input=*/true, ops::kPointwise);
    result.t_bar = dot.x_bar;
    result.bar = {dot.w_bar, dot.b_bar};
    return result;
  }

  void sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
                const at::Tensor& next_theta, const at::Tensor& next_velocity) const override {
    next_velocity.copy_(velocity).mul_(sgd.momentum).add_(gradient).add_(theta, sgd.weight_decay);
    next_theta.copy_(theta).addcmul_(next_velocity, sgd.lr, -1);
  }

  [[nodiscard]] at::Tensor sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b) const override {
    auto d = b - a * sgd.lr;
    a.add_(d, sgd.weight_decay);
    b.copy_(d).mul_(sgd.momentum);
    return d;
  }

  void adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient,
                 const AdamState& state) const override {
    state.steps.add_(1);
    const auto decayed = gradient + phi * adam.weight_decay;
    state.mean.mul_(Adam::kBeta1).add_(decayed, 1 - Adam::kBeta1);
    state.square.mul_(Adam::kBeta2).addcmul_(decayed, decayed, 1 - Adam::kBeta2);
    const auto mean_correction = 1 - at::pow(Adam::kBeta1, state.steps);
    const auto square_correction = 1 - at::pow(Adam::kBeta2, state.steps);
    const auto denominator = state.square.sqrt().div_(square_correction.sqrt()).add_(Adam::kEpsilon);
    phi.addcdiv_(state.mean * (-adam.lr / mean_correction), denominator);
  }
};

}  // namespace

const Backend& backend() {
  static const Reference reference;
  return reference;
}

const Backend* backend_for(const Arithmetic& arithmetic) {
  return arithmetic.convolution == Convolution::kWinograd ? nullptr : &backend();
}

}  // namespace l2t::backends::reference
