#include "native/transfer/meta_networks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/softmax.h>

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

}  // namespace l2t::transfer
