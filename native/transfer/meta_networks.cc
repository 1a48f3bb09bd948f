#include "native/transfer/meta_networks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>

namespace l2t::transfer {

std::vector<TensorSpec> meta_network_specs(const Method& method, const std::vector<int>& channels) {
  std::vector<TensorSpec> specs;
  for (size_t i = 0; i < channels.size(); ++i) {
    const int64_t c = channels[i];
    const auto index = std::to_string(i);
    if (method.what) {
      specs.push_back({"weight_net." + index + ".weight", {c, c}});
      specs.push_back({"weight_net." + index + ".bias", {c}});
    }
    if (method.where) {
      specs.push_back({"lambda_net." + index + ".weight", {1, c}});
      specs.push_back({"lambda_net." + index + ".bias", {1}});
    }
  }
  return specs;
}

std::vector<nets::ParameterInit> meta_network_initialisation(const Method& method, const std::vector<int>& channels) {
  using nets::Initialisation;
  std::vector<nets::ParameterInit> inits;
  for (const int c : channels) {
    if (method.what) inits.insert(inits.end(), 2, {Initialisation::kZeros, 0});
    if (method.where) inits.insert(inits.end(), {{Initialisation::kUniformFanIn, c}, {Initialisation::kOnes, 0}});
  }
  return inits;
}

Importance importance(const Method& method, const std::vector<at::Tensor>& phi, const std::vector<at::Tensor>& pooled) {
  Importance result;
  size_t next = 0;
  for (const auto& s : pooled) {
    if (method.what) {
      result.w.push_back(at::softmax(at::linear(s, phi[next], phi[next + 1]), 1));
      next += 2;
    }
    if (method.where) {
      result.lambda.push_back(at::hardtanh(at::linear(s, phi[next], phi[next + 1]).squeeze(1), 0, 6));
      next += 2;
    }
  }
  return result;
}

at::Tensor coefficient(const Method& method, const Importance& importance, size_t pair, double beta,
                       const at::Tensor& pooled) {
  const double scale = beta / static_cast<double>(pooled.size(0));
  const double channel = method.bilevel() ? 1.0 : 1.0 / static_cast<double>(pooled.size(1));
  auto k = method.what ? importance.w[pair] * scale : at::full_like(pooled, scale * channel);
  return method.where ? k * importance.lambda[pair].unsqueeze(1) : k;
}

namespace {

/// ReLU6's derivative: 1 strictly inside (0, 6), else 0.
at::Tensor inside(const at::Tensor& lambda) { return (lambda > 0) & (lambda < 6); }

}  // namespace

at::Tensor importance_backward(const Method& method, double beta, const ParameterVector& phi,
                               const std::vector<at::Tensor>& pooled, const Importance& importance,
                               const std::vector<at::Tensor>& k_bar) {
  const auto flat = at::zeros_like(phi.flat);
  auto gradient = views_of(flat, phi.specs);
  size_t next = 0;
  const auto through_linear = [&](const at::Tensor& y_bar, const at::Tensor& s) {
    at::mm_out(gradient[next], y_bar.t(), s);
    gradient[next + 1].copy_(y_bar.sum(0));
    next += 2;
  };
  for (size_t i = 0; i < pooled.size(); ++i) {
    const auto scaled = k_bar[i] * (beta / static_cast<double>(pooled[i].size(0)));
    if (method.what) {
      const auto& w = importance.w[i];
      const auto w_bar = method.where ? scaled * importance.lambda[i].unsqueeze(1) : scaled;
      through_linear(w * (w_bar - (w * w_bar).sum(1, /*keepdim=*/true)), pooled[i]);
    }
    if (method.where) {
      const auto& lambda = importance.lambda[i];
      const auto lambda_bar = (method.what ? scaled * importance.w[i] : scaled).sum(1) * inside(lambda);
      through_linear(lambda_bar.unsqueeze(1), pooled[i]);
    }
  }
  return flat;
}

}  // namespace l2t::transfer
