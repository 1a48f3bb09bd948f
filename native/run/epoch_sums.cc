#include "native/run/epoch_sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/xlogy.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace l2t::run {
namespace {

const std::string kPrefix = "epoch_sums/";
constexpr const char* kImages = "images";
constexpr const char* kMetaImages = "meta_images";  // of the steps with a meta-step
constexpr const char* kCorrect = "correct";
constexpr const char* kObjective = "meta_objective";
constexpr const char* kGradPhi = "grad_phi";
constexpr const char* kLambda = "lambda";
constexpr const char* kLambdaSquare = "lambda_square";
constexpr const char* kLambdaStart = "lambda_start";
constexpr const char* kEntropy = "weight_entropy";

std::string loss_key(const std::string& term) { return "losses/" + term; }

/// Returns f of each pair's tensor, which is a sum, as one vector.
template <class F>
at::Tensor sum_each(const std::vector<at::Tensor>& by_pair, F f) {
  std::vector<at::Tensor> sums;
  for (const auto& tensor : by_pair) sums.push_back(f(tensor));
  return at::stack(sums);
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

EpochSums::EpochSums(const bilevel::Problem& problem, int64_t kinds)
    : reducer_(*problem.reducer), kinds_(kinds), learned_(problem.meta_networks.learned), pairs_(problem.pairs) {
  const auto logits_right = [](const Iteration& iteration, const at::Tensor& y) {
    return (at::argmax(iteration.real.activations.logits.slice(0, 0, y.size(0)), 1) == y).sum();
  };
  columns_.push_back({kCorrect, 1, /*mean=*/false, /*part=*/true, logits_right});
  for (const auto* const term : problem.all_terms()) {
    const auto value = [i = terms_.size()](const Iteration& iteration, const at::Tensor& /*y*/) {
      return iteration.real.losses[i].second;
    };
    terms_.push_back(term->name());
    columns_.push_back({loss_key(term->name()), 1, /*mean=*/true, /*part=*/true, value});
  }
  // Each pair has a sum over the images.
  const auto add_pairs = [&](const char* name, auto by_pair, auto sum) {
    const auto value = [by_pair, sum](const Iteration& iteration, const at::Tensor& /*y*/) {
      return sum_each(by_pair(iteration), sum);
    };
    columns_.push_back({name, pairs_.size(), /*mean=*/false, /*part=*/true, value});
  };
  if (learned_.where) {
    const auto sum = [](const at::Tensor& l) { return l.to(at::kDouble).sum(); };
    const auto lambda = [](const Iteration& iteration) { return iteration.importance.lambda; };
    add_pairs(kLambda, lambda, sum);
    add_pairs(kLambdaSquare, lambda, [](const at::Tensor& l) { return l.to(at::kDouble).square().sum(); });
    add_pairs(kLambdaStart, [](const Iteration& iteration) { return iteration.lambda_start; }, sum);
  }
  if (learned_.what) {
    const auto w = [](const Iteration& iteration) { return iteration.importance.w; };
    add_pairs(kEntropy, w, [](const at::Tensor& p) { return -at::xlogy(p, p).sum(); });
  }
  real_columns_ = columns_.size();
  if (learned_.any()) {
    const auto objective = [](const Iteration& iteration, const at::Tensor& /*y*/) {
      return iteration.meta->objective;
    };
    const auto norm = [](const Iteration& iteration, const at::Tensor& /*y*/) {
      return iteration.meta->phi_gradient.norm();
    };
    columns_.push_back({kObjective, 1, /*mean=*/true, /*part=*/true, objective});
    columns_.push_back({kGradPhi, 1, /*mean=*/true, /*part=*/false, norm});
    sums_[kMetaImages].resize(1);
  }
  sums_[kImages].resize(1);
  for (const auto& column : columns_) sums_[column.name].resize(column.count);
}

at::Tensor EpochSums::row(const Iteration& iteration, const at::Tensor& y) const {
  std::vector<at::Tensor> values;
  const auto count = iteration.meta ? columns_.size() : real_columns_;
  for (size_t i = 0; i < count; ++i) {
    values.push_back(columns_[i].value(iteration, y).to(at::kDouble).flatten());
    if (!columns_[i].part && !reducer_.first()) values.back().zero_();
  }
  if (count < columns_.size()) {
    const auto missing = static_cast<int64_t>(columns_.size() - count);  // each is one number
    values.push_back(at::zeros({missing}, values.front().options()));
  }
  const auto row = at::cat(values);
  reducer_.sum(row);
  return row;
}

StepEvent EpochSums::add(const at::Tensor& row, int64_t labelled, bool meta) {
  std::map<std::string, const double*> data;
  const auto* next = row.const_data_ptr<double>();
  for (size_t i = 0; i < (meta ? columns_.size() : real_columns_); ++i) {
    if (columns_[i].mean) require_finite(columns_[i].name, *next);
    data[columns_[i].name] = next;
    next += columns_[i].count;
  }
  const auto batch = static_cast<double>(labelled);
  sums_.at(kImages)[0] += batch;
  if (meta) sums_.at(kMetaImages)[0] += batch;
  for (const auto& column : columns_) {
    if (!data.contains(column.name)) continue;
    auto& sums = sums_.at(column.name);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += (column.mean ? batch : 1) * data[column.name][i];
  }
  StepEvent event{};
  for (const auto& term : terms_) event.losses.emplace_back(term, *data[loss_key(term)]);
  if (data.contains(kObjective)) event.meta_objective = *data[kObjective];
  return event;
}

EpochMetrics EpochSums::metrics() const {
  const double images = sums_.at(kImages)[0];  // those with labels
  const auto mean = [&](const std::string& name) { return sums_.at(name)[0] / images; };
  const auto mean_of_all = [&](const std::string& name, size_t i) {
    return sums_.at(name)[i] / (images * static_cast<double>(kinds_));
  };
  EpochMetrics metrics;
  metrics.train_accuracy = mean(kCorrect);
  for (const auto& term : terms_) metrics.losses.emplace_back(term, mean(loss_key(term)));
  if (const double meta_images = learned_.any() ? sums_.at(kMetaImages)[0] : 0; meta_images > 0) {
    metrics.meta_objective = sums_.at(kObjective)[0] / meta_images;
    metrics.grad_phi = sums_.at(kGradPhi)[0] / meta_images;
  }
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const auto& [source, m, n] = pairs_[i];
    PairMetrics pair{source, {m, n}, {}, {}, {}, {}};
    if (learned_.where) {
      const double lambda = mean_of_all(kLambda, i);
      pair.lambda_mean = lambda;
      pair.lambda_std = std::sqrt(std::max(0.0, mean_of_all(kLambdaSquare, i) - lambda * lambda));
      pair.lambda_start = mean_of_all(kLambdaStart, i);
    }
    if (learned_.what) pair.weight_entropy = mean_of_all(kEntropy, i);
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
