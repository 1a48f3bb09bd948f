#include "native/run/meta_optimiser.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

namespace l2t::run {

MetaOptimiser::MetaOptimiser(const transfer::MetaNetworks& networks, const Settings& settings,
                             const ParameterVector& phi)
    : phi_(phi),
      adam_state_{at::zeros_like(phi.flat), at::zeros_like(phi.flat),
                  at::zeros({}, phi.flat.options().dtype(at::kDouble))},
      phi_start_(at::zeros_like(phi.flat)),
      decays_to_start_(networks.lambda_init == transfer::LambdaInit::kEqual),
      clip_norm_(at::zeros({1}, phi.flat.options().dtype(at::kDouble))) {
  const auto& learned = networks.learned;
  if (!learned.any()) return;
  adam_ = {.lr = settings.at("metaLr"), .weight_decay = settings.at("metaWeightDecay")};
  clip_ = settings.at("metaClip");
  if (const double ratio = learned.what && learned.where ? settings.at("wLrRatio") : 1; ratio != 1) {
    rate_ratio_ = at::ones_like(phi.flat);
    const auto ratios = phi.layout.views(rate_ratio_);
    for (const auto& f : networks.f) {
      for (const auto& part : f.of(ratios)) part.fill_(ratio);
    }
  }
}

void MetaOptimiser::step(const backends::Backend& backend, const at::Tensor& gradient) {
  auto g = clip_ > 0 ? clipped(gradient) : gradient;
  auto adam = adam_;
  if (decays_to_start_) {
    g = g + (phi_.flat - phi_start_) * adam.weight_decay;
    adam.weight_decay = 0;
  }
  const auto before = rate_ratio_.defined() ? phi_.flat.clone() : at::Tensor();
  backend.adam_step(adam, phi_.flat, g, adam_state_);
  if (before.defined()) phi_.flat.copy_(at::lerp(before, phi_.flat, rate_ratio_));
}

/// g · min(1, X m / ‖g‖), where m is the running mean of the norms of what this returned: m ← 0.99 m + 0.01 ‖·‖, from
/// the first ‖g‖ that is not 0.
at::Tensor MetaOptimiser::clipped(const at::Tensor& gradient) const {
  constexpr double kKept = 0.99;
  const auto norm = gradient.norm(2, at::kDouble);
  clip_norm_.add_(norm * (clip_norm_ == 0));
  const auto scale = (clip_norm_ * clip_ / norm.clamp_min(std::numeric_limits<double>::min())).clamp_max(1);
  clip_norm_.mul_(kKept).add_(norm * scale, 1 - kKept);
  return gradient * scale.to(gradient.scalar_type());
}

std::vector<NamedTensor> MetaOptimiser::tensors() const {
  std::vector<NamedTensor> result;
  const auto& layout = phi_.layout;
  append_named(result, layout.specs(), layout.views(adam_state_.mean), "adam_mean/");
  append_named(result, layout.specs(), layout.views(adam_state_.square), "adam_square/");
  append_named(result, layout.specs(), layout.views(phi_start_), "phi_start/");
  if (clip_ > 0) result.push_back({"clip_norm", clip_norm_});
  return result;
}

}  // namespace l2t::run
