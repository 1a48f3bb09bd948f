#include "native/transfer/meta_networks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros.h>

namespace l2t::transfer {

MetaNetworks make_meta_networks(Learned learned, const std::vector<int>& channels, LambdaInit lambda_init) {
  using nets::Initialisation;
  MetaNetworks result{learned, lambda_init, {}, {}, {}, {}};
  const auto weight_of_g = lambda_init == LambdaInit::kEqual ? Initialisation::kZeros : Initialisation::kUniformFanIn;
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
      inits.insert(inits.end(), {{weight_of_g, c}, {Initialisation::kOnes, 0}});
    }
  }
  return result;
}

namespace {

/// The parts of φ, or of its gradient, that belong to pair i.
ops::ImportanceNetworks of_pair(const MetaNetworks& networks, size_t i, Tensors phi) {
  ops::ImportanceNetworks result;
  if (networks.learned.what) {
    result.f_weight = networks.f[i].of(phi)[0];
    result.f_bias = networks.f[i].of(phi)[1];
  }
  if (networks.learned.where) {
    result.g_weight = networks.g[i].of(phi)[0];
    result.g_bias = networks.g[i].of(phi)[1];
  }
  return result;
}

}  // namespace

Importance importance(const backends::Backend& backend, const MetaNetworks& networks, Tensors phi, Tensors pooled) {
  Importance result;
  if (!networks.learned.any()) return result;
  for (size_t i = 0; i < pooled.size(); ++i) {
    auto [w, lambda] = backend.importance(pooled[i], of_pair(networks, i, phi));
    if (w.defined()) result.w.push_back(std::move(w));
    if (lambda.defined()) result.lambda.push_back(std::move(lambda));
  }
  return result;
}

std::vector<at::Tensor> amounts(const backends::Backend& backend, const MetaNetworks& networks, Tensors phi,
                                Tensors pooled) {
  std::vector<at::Tensor> lambda;
  for (size_t i = 0; i < networks.g.size(); ++i) {
    const auto g = networks.g[i].of(phi);
    lambda.push_back(backend.importance(pooled[i], {{}, {}, g[0], g[1]}).lambda);
  }
  return lambda;
}

at::Tensor coefficient(const Importance& importance, size_t pair, double scale, const at::Tensor& pooled) {
  const bool what = !importance.w.empty();
  const bool where = !importance.lambda.empty();
  const double channel = what || where ? 1.0 : 1.0 / static_cast<double>(pooled.size(1));
  auto k = what ? importance.w[pair] * scale : at::full_like(pooled, scale * channel);
  return where ? k * importance.lambda[pair].unsqueeze(1) : k;
}

at::Tensor importance_backward(const backends::Backend& backend, const MetaNetworks& networks, double scale,
                               Tensors pooled, const Importance& importance, Tensors k_bar) {
  const auto flat = at::zeros({networks.phi.length()}, k_bar.front().options());
  const auto phi_bar = networks.phi.views(flat);
  for (size_t i = 0; i < pooled.size(); ++i) {
    const ops::Importance of_pair_i{networks.learned.what ? importance.w[i] : at::Tensor(),
                                    networks.learned.where ? importance.lambda[i] : at::Tensor()};
    backend.importance_backward(k_bar[i], pooled[i], of_pair_i, scale, of_pair(networks, i, phi_bar));
  }
  return flat;
}

}  // namespace l2t::transfer
