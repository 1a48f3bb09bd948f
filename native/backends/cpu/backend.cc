#include "native/backends/cpu/backend.h"

#include <ATen/ops/empty_like.h>

#include "native/backends/cpu/matching.h"
#include "native/backends/cpu/sgd.h"
#include "native/backends/cpu/units.h"

namespace l2t::backends::cpu {
namespace {

class Cpu final : public Backend {
 public:
  [[nodiscard]] const char* name() const override { return "cpu"; }
  [[nodiscard]] std::vector<Step> units(const Part& part) const override { return cpu::units(part); }

  [[nodiscard]] MatchingSweep matching_gradient(const MatchingInputs& maps, const Pointwise& branches) const override {
    return cpu::matching_gradient(maps, branches);
  }
  [[nodiscard]] MatchingSweep matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot,
                                               const Pointwise& branches, const Pointwise& branches_dot,
                                               bool product) const override {
    return cpu::matching_tangent(maps, t_dot, branches, branches_dot, product);
  }

  void sgd_step(const SgdRates& rates, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
                const at::Tensor& next_theta, const at::Tensor& next_velocity) const override {
    cpu::sgd_step(rates, theta, velocity, gradient, next_theta, next_velocity);
  }
  [[nodiscard]] at::Tensor sgd_adjoint(const SgdRates& rates, const at::Tensor& a, const at::Tensor& b) const override {
    auto d = at::empty_like(a);
    cpu::sgd_adjoint(rates, a, b, d);
    return d;
  }
};

}  // namespace

const Backend& backend() {
  static const Cpu cpu;
  return cpu;
}

bool supports(const at::TensorOptions& options) {
  const auto type = c10::typeMetaToScalarType(options.dtype());
  return options.device().is_cpu() && (type == at::kFloat || type == at::kDouble);
}

}  // namespace l2t::backends::cpu
