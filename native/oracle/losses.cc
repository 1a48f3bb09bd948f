#include "native/oracle/losses.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <map>

#include "native/terms/attention.h"
#include "native/terms/vid.h"

namespace l2t::oracle {
namespace {

at::Tensor cross_entropy(const Point& point) {
  const auto& batch = point.batch;
  // Images without labels have no cross-entropy.
  const bool all = batch.whole.kinds == 1;
  const auto logits = all ? point.target.logits : point.target.logits.slice(0, 0, batch.y.size(0));
  const auto loss = [&](int64_t reduction) {
    return at::cross_entropy_loss(logits, batch.y, /*weight=*/{}, reduction,
                                  /*ignore_index=*/-100, point.problem.settings.at("labelSmoothing"));
  };
  if (!batch.weights.defined()) return loss(at::Reduction::Mean);
  return (batch.weights * loss(at::Reduction::None)).mean();
}

at::Tensor matching(const Point& point) {
  const auto& [problem, batch, importance, target, layout, theta] = point;
  at::Tensor loss;
  for (size_t i = 0; i < problem.pairs.size(); ++i) {
    const auto& map = target.features[problem.pairs[i].target_feature];
    const auto branch = point.slice("branch." + std::to_string(i));
    const auto matched = at::conv2d(map, branch[0], branch[1]);
    const auto squares = at::mse_loss(matched, batch.maps.resized[i], at::Reduction::None);
    const auto e = squares.sum({2, 3}) / (map.size(2) * map.size(3));
    const auto k = transfer::coefficient(
        importance, i, problem.settings.at("beta") / static_cast<double>(batch.whole.images), batch.maps.pooled[i]);
    terms::add_to(loss, (k * e).sum());
  }
  return loss;
}

at::Tensor attention(const Point& point) {
  const auto attention = [](const at::Tensor& map) {
    const auto a = map.square().mean(1).flatten(1);
    return a / a.norm(2, {1}, /*keepdim=*/true).clamp_min(terms::kSmallestNorm);
  };
  auto loss = at::zeros({}, point.batch.x.options());
  for (size_t i = 0; i < point.problem.pairs.size(); ++i) {
    const auto& map = point.target.features[point.problem.pairs[i].target_feature];
    const auto difference = attention(point.batch.maps.resized[i]) - attention(map);
    loss = loss + difference.square().mean() * point.problem.settings.at("attentionWeight");
  }
  return loss;
}

/// κ τ² mean KL(softmax(z_S/τ) ‖ softmax(z/τ)).
at::Tensor distilled(const Point& point, const at::Tensor& z, double weight, double temperature) {
  const auto log_p = at::log_softmax(z / temperature, 1);
  const auto log_p_source = at::log_softmax(point.batch.maps.logits / temperature, 1);
  return (log_p_source.exp() * (log_p_source - log_p)).sum(1).mean() * (weight * temperature * temperature);
}

at::Tensor distillation(const Point& point) {
  const auto& settings = point.problem.settings;
  const auto head = point.slice("lwf_head");
  const auto z = at::linear(point.target.features.back().mean({2, 3}), head[0], head[1]);
  return distilled(point, z, settings.at("distillationWeight"), settings.at("temperature"));
}

at::Tensor kd(const Point& point) {
  const auto& settings = point.problem.settings;
  return distilled(point, point.target.logits, settings.at("kdWeight"), settings.at("kdTemperature"));
}

at::Tensor l2_sp(const Point& point) {
  const auto& term = *std::find_if(point.problem.added.begin(), point.problem.added.end(),
                                   [](const auto& added) { return added->name() == "l2-sp"; });
  const auto start = term->constants();
  const auto last_layer = nets::last_layer(point.problem.target);
  const auto target = point.slice("target");
  auto loss = at::zeros({}, point.batch.x.options());
  for (size_t i = 0; i < target.size(); ++i) {
    loss = loss + (last_layer.contains(static_cast<int>(i))
                       ? target[i].square().sum() * (point.problem.settings.at("l2SpBeta") / 2)
                       : at::mse_loss(target[i], start[i].tensor, at::Reduction::Sum) *
                             (point.problem.settings.at("l2SpAlpha") / 2));
  }
  return loss;
}

at::Tensor sp(const Point& point) {
  const auto similarity = [](const at::Tensor& map) {
    const auto q = map.flatten(1);
    const auto g = q.matmul(q.t());
    return g / g.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
  };
  auto loss = at::zeros({}, point.batch.x.options());
  for (const auto& [source, m, n] : point.problem.pairs) {
    const auto g = similarity(point.target.features[n]);
    const auto distance = at::mse_loss(g, similarity(point.batch.sources[source].features[m]));
    loss = loss + distance * point.problem.settings.at("spWeight");
  }
  return loss;
}

at::Tensor vid(const Point& point) {
  auto loss = at::zeros({}, point.batch.x.options());
  for (size_t i = 0; i < point.problem.pairs.size(); ++i) {
    const auto own = point.slice("vid." + std::to_string(i));
    const auto mean = at::conv2d(point.target.features[point.problem.pairs[i].target_feature], own[0], own[1]);
    const auto variance = (at::softplus(own[2]) + terms::kSmallestVariance).view({1, -1, 1, 1});
    const auto likelihood = (point.batch.maps.resized[i] - mean).square() / variance + variance.log();
    loss = loss + likelihood.mean() * (point.problem.settings.at("vidWeight") / 2);
  }
  return loss;
}

const std::map<std::string, at::Tensor (*)(const Point&)> kLosses{
    {terms::kCrossEntropy, cross_entropy},
    {"matching", matching},
    {"attention", attention},
    {"distillation", distillation},
    {"kd", kd},
    {"l2-sp", l2_sp},
    {"sp", sp},
    {"vid", vid},
};

}  // namespace

at::Tensor loss(const std::string& term, const Point& point) { return kLosses.at(term)(point); }

}  // namespace l2t::oracle
