#include "native/terms/vid.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>

#include <cmath>

#include "native/ops/conv2d.h"

namespace l2t::terms {
namespace {

class Vid final : public PairTerm {
 public:
  Vid(const std::string& name, Setup& setup) : PairTerm(name, setup.pairs()), weight_(setup.setting("vidWeight")) {
    // ρ with softplus(ρ) + ε = σ².
    const double excess = setup.setting("vidVariance") - kSmallestVariance;
    const double rho = excess + std::log1p(-std::exp(-excess));
    for (const auto& pair : pairs()) {
      const int64_t in = setup.target().features[pair.target_feature].channels;
      const int64_t out = setup.source(pair).features[pair.source_feature].channels;
      const nets::ParameterInit uniform{nets::Initialisation::kUniformFanIn, in};
      slices_.push_back(setup.add_parameters(
          name + "." + std::to_string(slices_.size()), {{"weight", {out, in, 1, 1}}, {"bias", {out}}, {"rho", {out}}},
          {uniform, uniform, {nets::Initialisation::kConstant, 0, rho}}, Purpose::kBranches));
    }
  }

  [[nodiscard]] bool reads_resized() const override { return true; }

 private:
  MapLoss evaluate_pair(size_t i, const Batch& batch, const at::Tensor& t, Tensors theta,
                        Gradient& gradient) const override {
    const auto own = slices_[i].of(theta);
    auto value = vid_value(batch.maps.resized[i], t, {own[0], own[1], own[2]}, weight_, batch.whole.images);
    auto* const bar = &gradient.theta[slices_[i].begin];
    bar[0] = value.bar.weight;
    bar[1] = value.bar.bias;
    bar[2] = value.bar.rho;
    return value.of_map;
  }

  double weight_;
  std::vector<Slice> slices_;  // one for each pair
};

}  // namespace

VidValue vid_value(const at::Tensor& s, const at::Tensor& t, const VidParameters& parameters, double weight,
                   int64_t images) {
  const auto difference = ops::conv2d(t, parameters.weight, parameters.bias, ops::kPointwise) - s;
  const auto channels = static_cast<double>(difference.size(1));
  const auto places = static_cast<double>(difference.numel()) / channels;
  const double scale = weight / (static_cast<double>(images * difference.size(2) * difference.size(3)) * channels);
  const auto variance = at::softplus(parameters.rho) + kSmallestVariance;
  const auto squares = difference.square().sum({0, 2, 3});
  const auto loss = (squares / variance + variance.log() * places).sum() * (scale / 2);
  const auto mean_bar = difference * (scale / variance).view({1, -1, 1, 1});
  const auto variance_bar = (places - squares / variance) / variance * (scale / 2);
  const auto bar = ops::conv2d_backward(mean_bar, t, parameters.weight, /*bias=*/true, /*input=*/true, ops::kPointwise);
  return {{loss, bar.x_bar}, {bar.w_bar, bar.b_bar, variance_bar * at::sigmoid(parameters.rho)}};
}

std::unique_ptr<Term> make_vid(const std::string& name, Setup& setup) { return std::make_unique<Vid>(name, setup); }

}  // namespace l2t::terms
