#include "native/run/epoch_sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/xlogy.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "native/core/error.h"

namespace l2t::run {
namespace {

constexpr size_t kPerPair = 3;

void require_finite(double value, const char* what) {
  if (!std::isfinite(value)) throw NotFinite(std::string(what) + " became " + (std::isnan(value) ? "NaN" : "infinite"));
}

}  // namespace

EpochSums::EpochSums(const transfer::Method& method, const std::vector<transfer::Pair>& pairs)
    : method_(method), pairs_(pairs), sums_(kScalars + kPerPair * pairs.size(), 0.0) {}

StepEvent EpochSums::add(const Iteration& iteration, const at::Tensor& y) {
  const auto& real = iteration.real;
  const auto zero = at::zeros({}, at::TensorOptions().dtype(at::kDouble).device(y.device()));
  const auto scalar = [&](const at::Tensor& value) { return value.defined() ? value.to(at::kDouble) : zero; };
  std::vector<at::Tensor> values{
      (at::argmax(real.activations.logits, 1) == y).sum().to(at::kDouble),
      scalar(real.loss_org),
      scalar(real.loss_matching),
      scalar(real.loss_attention),
      scalar(real.loss_distillation),
      iteration.meta ? scalar(iteration.meta->objective) : zero,
      iteration.meta ? scalar(iteration.meta->phi_gradient.norm()) : zero,
  };
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const auto lambda = method_.where ? iteration.importance.lambda[i].to(at::kDouble) : zero;
    values.push_back(lambda.sum());
    values.push_back((lambda * lambda).sum());
    values.push_back(
        method_.what ? -at::xlogy(iteration.importance.w[i], iteration.importance.w[i]).sum().to(at::kDouble) : zero);
  }
  const auto host = at::stack(values).cpu();
  const auto* data = host.const_data_ptr<double>();

  // `data` has no entry for kImages, so its indices are one lower than those of sums_.
  const auto of = [&](size_t sum) { return data[sum - 1]; };
  require_finite(of(kOrg), "The cross-entropy");
  require_finite(of(kMatching), "The matching loss");
  require_finite(of(kAttention), "The attention loss");
  require_finite(of(kDistillation), "The distillation loss");
  require_finite(of(kObjective), "The meta-objective");
  require_finite(of(kGradPhi), "The gradient of the meta-networks");
  const auto batch = static_cast<double>(y.size(0));
  sums_[kImages] += batch;
  sums_[kCorrect] += data[0];
  for (size_t i = kOrg; i < kScalars; ++i) sums_[i] += batch * data[i - 1];
  for (size_t i = kScalars; i < sums_.size(); ++i) sums_[i] += data[i - 1];
  StepEvent event{};
  event.loss_org = of(kOrg);
  if (method_.matches) event.loss_matching = of(kMatching);
  if (method_.attends) event.loss_attention = of(kAttention);
  if (method_.distils) event.loss_distillation = of(kDistillation);
  if (iteration.meta) event.meta_objective = of(kObjective);
  return event;
}

EpochMetrics EpochSums::metrics() const {
  const double images = sums_[kImages];
  EpochMetrics metrics;
  metrics.train_accuracy = sums_[kCorrect] / images;
  metrics.loss_org = sums_[kOrg] / images;
  if (method_.matches) metrics.loss_matching = sums_[kMatching] / images;
  if (method_.attends) metrics.loss_attention = sums_[kAttention] / images;
  if (method_.distils) metrics.loss_distillation = sums_[kDistillation] / images;
  if (method_.bilevel()) {
    metrics.meta_objective = sums_[kObjective] / images;
    metrics.grad_phi = sums_[kGradPhi] / images;
  }
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const double* sums = &sums_[kScalars + kPerPair * i];
    PairMetrics pair{pairs_[i], {}, {}, {}};
    if (method_.where) {
      pair.lambda_mean = sums[0] / images;
      pair.lambda_std = std::sqrt(std::max(0.0, sums[1] / images - *pair.lambda_mean * *pair.lambda_mean));
    }
    if (method_.what) pair.weight_entropy = sums[2] / images;
    metrics.pairs.push_back(pair);
  }
  return metrics;
}

void EpochSums::reset() { std::fill(sums_.begin(), sums_.end(), 0.0); }

at::Tensor EpochSums::to_tensor() const {
  const auto tensor = at::empty({static_cast<int64_t>(sums_.size())}, at::kDouble);
  std::copy(sums_.begin(), sums_.end(), tensor.mutable_data_ptr<double>());
  return tensor;
}

void EpochSums::from_tensor(const at::Tensor& tensor) {
  if (tensor.scalar_type() != at::kDouble || tensor.numel() != static_cast<int64_t>(sums_.size())) {
    throw Error("INVALID_RUN", "The saved epoch sums do not fit this run's method and pairs.");
  }
  const auto values = tensor.contiguous();
  std::copy_n(values.const_data_ptr<double>(), sums_.size(), sums_.begin());
}

}  // namespace l2t::run
