#include "native/terms/kd.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log_softmax.h>

namespace l2t::terms {
namespace {

class Kd final : public RealTerm {
 public:
  Kd(const std::string& name, Setup& setup)
      : RealTerm(name), settings_{setup.setting("kdWeight"), setup.setting("kdTemperature")} {
    setup.require_source_of_classes();
  }

  [[nodiscard]] Reads reads() const override { return {.logits = true, .features = {}}; }

  at::Tensor evaluate(const Batch& batch, const nets::Activations& target, Tensors /*theta*/,
                      Gradient& gradient) const override {
    auto [loss, z_bar] = distilled_logits(batch.maps.logits, target.logits, settings_, batch.whole.images);
    gradient.bar.logits = std::move(z_bar);
    return loss;
  }

 private:
  Distillation settings_;
};

}  // namespace

DistilledLogits distilled_logits(const at::Tensor& source_logits, const at::Tensor& z, const Distillation& settings,
                                 int64_t images) {
  const auto [weight, temperature] = settings;
  const auto batch = static_cast<double>(images);
  const auto log_p = at::log_softmax(z / temperature, 1);
  const auto log_p_source = at::log_softmax(source_logits / temperature, 1);
  const auto p_source = log_p_source.exp();
  return {(p_source * (log_p_source - log_p)).sum() * (weight * temperature * temperature / batch),
          (log_p.exp() - p_source) * (weight * temperature / batch)};
}

std::unique_ptr<Term> make_kd(const std::string& name, Setup& setup) { return std::make_unique<Kd>(name, setup); }

}  // namespace l2t::terms
