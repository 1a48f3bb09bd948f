#include "native/run/epoch_sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/xlogy.h>

#include <algorithm>
#include <cmath>

#include "native/core/error.h"

namespace l2t::run {
namespace {

/// One number, or one for each pair. A mean over the batch is multiplied by the batch's size before it is added.
struct Quantity {
  std::string name;
  at::Tensor value;
  bool mean;
};

const std::string kPrefix = "epoch_sums/";
constexpr const char* kImages = "images";
constexpr const char* kCorrect = "correct";
constexpr const char* kObjective = "meta_objective";
constexpr const char* kGradPhi = "grad_phi";
constexpr const char* kLambda = "lambda";
constexpr const char* kLambdaSquare = "lambda_square";
constexpr const char* kEntropy = "weight_entropy";

std::string loss_key(const std::string& term) { return "losses/" + term; }

/// f of each pair's tensor, summed, as one vector.
template <class F>
at::Tensor sum_each(const std::vector<at::Tensor>& by_pair, F f) {
  std::vector<at::Tensor> sums;
  for (const auto& tensor : by_pair) sums.push_back(f(tensor));
  return at::stack(sums);
}

std::vector<Quantity> quantities(const Iteration& iteration, const at::Tensor& y) {
  std::vector<Quantity> result{{kCorrect, (at::argmax(iteration.real.activations.logits, 1) == y).sum(), false}};
  for (const auto& [term, loss] : iteration.real.losses) result.push_back({loss_key(term), loss, /*mean=*/true});
  if (iteration.meta) {
    result.push_back({kObjective, iteration.meta->objective, true});
    result.push_back({kGradPhi, iteration.meta->phi_gradient.norm(), true});
  }
  const auto& [w, lambda] = iteration.importance;
  if (!lambda.empty()) {
    result.push_back({kLambda, sum_each(lambda, [](const auto& l) { return l.to(at::kDouble).sum(); }), false});
    result.push_back(
        {kLambdaSquare, sum_each(lambda, [](const auto& l) { return l.to(at::kDouble).square().sum(); }), false});
  }
  if (!w.empty())
    result.push_back({kEntropy, sum_each(w, [](const auto& p) { return -at::xlogy(p, p).sum(); }), false});
  return result;
}

void require_finite(const std::string& name, double value) {
  if (std::isfinite(value)) return;
  const auto what = name == kObjective                       ? "meta-objective"
                    : name == kGradPhi                       ? "gradient of the meta-networks"
                    : name == loss_key(terms::kCrossEntropy) ? "cross-entropy"
                                                             : name.substr(name.find('/') + 1) + " loss";
  throw NotFinite("The " + what + " became " + (std::isnan(value) ? "NaN" : "infinite"));
}

}  // namespace

EpochSums::EpochSums(const bilevel::Problem& problem) : learned_(problem.meta_networks.learned), pairs_(problem.pairs) {
  const std::vector<double> one(1, 0.0);
  sums_[kImages] = sums_[kCorrect] = one;
  for (const auto* const term : problem.all_terms()) {
    terms_.push_back(term->name());
    sums_[loss_key(term->name())] = one;
  }
  if (learned_.any()) sums_[kObjective] = sums_[kGradPhi] = one;
  const std::vector<double> by_pair(pairs_.size(), 0.0);
  if (learned_.where) sums_[kLambda] = sums_[kLambdaSquare] = by_pair;
  if (learned_.what) sums_[kEntropy] = by_pair;
}

StepEvent EpochSums::add(const Iteration& iteration, const at::Tensor& y) {
  const auto now = quantities(iteration, y);
  std::vector<at::Tensor> values;
  for (const auto& quantity : now) values.push_back(quantity.value.to(at::kDouble).flatten());
  const auto host = at::cat(values).cpu();

  std::map<std::string, const double*> data;
  const auto* next = host.const_data_ptr<double>();
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i].mean) require_finite(now[i].name, *next);
    data[now[i].name] = next;
    next += values[i].numel();
  }
  const auto batch = static_cast<double>(y.size(0));
  sums_.at(kImages)[0] += batch;
  for (const auto& [name, value, mean] : now) {
    auto& sums = sums_.at(name);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += (mean ? batch : 1) * data[name][i];
  }
  StepEvent event{};
  for (const auto& term : terms_) event.losses.emplace_back(term, *data[loss_key(term)]);
  if (iteration.meta) event.meta_objective = *data[kObjective];
  return event;
}

EpochMetrics EpochSums::metrics() const {
  const double images = sums_.at(kImages)[0];
  const auto mean = [&](const std::string& name, size_t i = 0) { return sums_.at(name)[i] / images; };
  EpochMetrics metrics;
  metrics.train_accuracy = mean(kCorrect);
  for (const auto& term : terms_) metrics.losses.emplace_back(term, mean(loss_key(term)));
  if (learned_.any()) {
    metrics.meta_objective = mean(kObjective);
    metrics.grad_phi = mean(kGradPhi);
  }
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const auto& [source, m, n] = pairs_[i];
    PairMetrics pair{source, {m, n}, {}, {}, {}};
    if (learned_.where) {
      const double lambda = mean(kLambda, i);
      pair.lambda_mean = lambda;
      pair.lambda_std = std::sqrt(std::max(0.0, mean(kLambdaSquare, i) - lambda * lambda));
    }
    if (learned_.what) pair.weight_entropy = mean(kEntropy, i);
    metrics.pairs.push_back(pair);
  }
  return metrics;
}

void EpochSums::reset() {
  for (auto& [name, sums] : sums_) std::fill(sums.begin(), sums.end(), 0.0);
}

std::vector<NamedTensor> EpochSums::tensors() const {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, sums] : sums_) {
    const auto tensor = at::empty({static_cast<int64_t>(sums.size())}, at::kDouble);
    std::copy(sums.begin(), sums.end(), tensor.mutable_data_ptr<double>());
    tensors.push_back({kPrefix + name, tensor});
  }
  return tensors;
}

void EpochSums::restore(const std::vector<NamedTensor>& state) {
  for (auto& [name, sums] : sums_) {
    const auto values = state_entry(state, kPrefix + name, static_cast<int64_t>(sums.size()), at::kDouble).contiguous();
    std::copy_n(values.const_data_ptr<double>(), sums.size(), sums.begin());
  }
}

}  // namespace l2t::run
