#include "native/transfer/meta_networks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

namespace l2t::transfer {

MetaNetworks make_meta_networks(Learned learned, const std::vector<int>& channels) {
  using nets::Initialisation;
  MetaNetworks result{learned, {}, {}, {}, {}};
  auto& inits = result.initialisation;
  for (size_t i = 0; i < channels.size(); ++i) {
    const int64_t c = channels[i];
    const auto index = std::to_string(i);
    if (learned.what) {
      result.f.push_back(result.phi.add("weight_net." + index, {{"weight", {c, c}}, {"bias", {c}}}));
      inits.insert(inits.end(), 2, {Initialisation::kZeros, 0});
    }
    if (learned.where) {
      result.g.push_back(result.phi.add("lambda_net." + index, {{"weight", {1, c}}, {"bias", {1}}}));
      inits.insert(inits.end(), {{Initialisation::kUniformFanIn, c}, {Initialisation::kOnes, 0}});
    }
  }
  return result;
}

namespace {

at::Tensor apply(const Slice& linear, Tensors phi, const at::Tensor& s) {
  const auto parameters = linear.of(phi);
  return at::linear(s, parameters[0], parameters[1]);
}

void apply_backward(const Slice& linear, Tensors phi_bar, const at::Tensor& y_bar, const at::Tensor& s) {
  const auto bar = linear.of(phi_bar);
  auto weight_bar = bar[0];
  at::mm_out(weight_bar, y_bar.t(), s);
  bar[1].copy_(y_bar.sum(0));
}

/// ReLU6's derivative: 1 strictly inside (0, 6), else 0.
at::Tensor inside(const at::Tensor& lambda) { return (lambda > 0) & (lambda < 6); }

}  // namespace

Importance importance(const MetaNetworks& networks, Tensors phi, Tensors pooled) {
  Importance result;
  const auto [what, where] = networks.learned;
  for (size_t i = 0; i < pooled.size(); ++i) {
    if (what) result.w.push_back(at::softmax(apply(networks.f[i], phi, pooled[i]), 1));
    if (where) result.lambda.push_back(at::hardtanh(apply(networks.g[i], phi, pooled[i]).squeeze(1), 0, 6));
  }
  return result;
}

at::Tensor coefficient(const Importance& importance, size_t pair, double beta, const at::Tensor& pooled) {
  const bool what = !importance.w.empty();
  const bool where = !importance.lambda.empty();
  const double scale = beta / static_cast<double>(pooled.size(0));
  const double channel = what || where ? 1.0 : 1.0 / static_cast<double>(pooled.size(1));
  auto k = what ? importance.w[pair] * scale : at::full_like(pooled, scale * channel);
  return where ? k * importance.lambda[pair].unsqueeze(1) : k;
}

at::Tensor importance_backward(const MetaNetworks& networks, double beta, Tensors pooled, const Importance& importance,
                               Tensors k_bar) {
  const auto flat = at::zeros({networks.phi.length()}, k_bar.front().options());
  const auto phi_bar = networks.phi.views(flat);
  const auto [what, where] = networks.learned;
  for (size_t i = 0; i < pooled.size(); ++i) {
    const auto scaled = k_bar[i] * (beta / static_cast<double>(pooled[i].size(0)));
    if (what) {
      const auto& w = importance.w[i];
      const auto w_bar = where ? scaled * importance.lambda[i].unsqueeze(1) : scaled;
      apply_backward(networks.f[i], phi_bar, w * (w_bar - (w * w_bar).sum(1, /*keepdim=*/true)), pooled[i]);
    }
    if (where) {
      const auto& lambda = importance.lambda[i];
      const auto lambda_bar = (what ? scaled * importance.w[i] : scaled).sum(1) * inside(lambda);
      apply_backward(networks.g[i], phi_bar, lambda_bar.unsqueeze(1), pooled[i]);
    }
  }
  return flat;
}

}  // namespace l2t::transfer
