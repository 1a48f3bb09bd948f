#include "native/terms/distillation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/mm.h>

namespace l2t::terms {

DistillationValue distillation_value(const at::Tensor& source_logits, const at::Tensor& t, const at::Tensor& weight,
                                     const at::Tensor& bias, const Distillation& settings, int64_t images) {
  const auto f = t.mean({2, 3});
  const auto [loss, z_bar] = distilled_logits(source_logits, at::addmm(bias, f, weight.t()), settings, images);
  const auto f_bar = at::mm(z_bar, weight) / static_cast<double>(t.size(2) * t.size(3));
  return {loss, f_bar.unsqueeze(2).unsqueeze(3).expand_as(t), at::mm(z_bar.t(), f), z_bar.sum(0)};
}

namespace {

class DistillationTerm final : public RealTerm {
 public:
  DistillationTerm(const std::string& name, Setup& setup)
      : RealTerm(name),
        feature_(static_cast<int>(setup.target().features.size()) - 1),
        settings_{setup.setting("distillationWeight"), setup.setting("temperature")} {
    const auto classes = setup.first_source().classes;
    const int64_t channels = setup.target().features.back().channels;
    const std::vector<nets::ParameterInit> uniform(2, {nets::Initialisation::kUniformFanIn, channels});
    head_ = setup.add_parameters("lwf_head", {{"weight", {classes, channels}}, {"bias", {classes}}}, uniform,
                                 Purpose::kHead);
  }

  [[nodiscard]] Reads reads() const override { return {.logits = false, .features = {feature_}}; }

  at::Tensor evaluate(const Batch& batch, const nets::Activations& target, Tensors theta,
                      Gradient& gradient) const override {
    const auto head = head_.of(theta);
    auto value = distillation_value(batch.maps.logits, target.features[feature_], head[0], head[1], settings_,
                                    batch.whole.images);
    add_to(gradient.bar.features[feature_], value.t_bar.contiguous(at::MemoryFormat::ChannelsLast));
    gradient.theta[head_.begin] = value.weight_bar;
    gradient.theta[head_.begin + 1] = value.bias_bar;
    return value.loss;
  }

 private:
  int feature_;
  Distillation settings_;
  Slice head_;
};

}  // namespace

std::unique_ptr<Term> make_distillation(const std::string& name, Setup& setup) {
  return std::make_unique<DistillationTerm>(name, setup);
}

}  // namespace l2t::terms
