#include "native/run/evaluation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/gather.h>

#include "native/core/error.h"

namespace l2t::run {
namespace {

/// Whether each label is one of the `top` likeliest classes; of equally likely ones the first come first. bool, B.
at::Tensor among(const at::Tensor& logits, const at::Tensor& labels, int64_t top) {
  const auto label = labels.unsqueeze(1);
  const auto own = at::gather(logits, 1, label);
  const auto earlier = at::arange(logits.size(1), labels.options()) < label;
  // A logit that is NaN is not below.
  const auto before = (logits <= own).logical_not() | ((logits == own) & earlier);
  return before.sum(1) < top;
}

}  // namespace

nets::Activations infer(const nets::Network& network, const std::vector<at::Tensor>& parameters,
                        const std::vector<at::Tensor>& buffers, const at::Tensor& pixels,
                        const data::ToInput& to_input) {
  return nets::forward(network, parameters, buffers, to_input(pixels), nets::Statistics::kRunning);
}

std::optional<Evaluation> evaluate(const nets::Network& network, const std::vector<at::Tensor>& parameters,
                                   const std::vector<at::Tensor>& buffers, data::EvaluationBatches batches,
                                   int64_t size, const data::Normalisation& normalisation,
                                   const std::function<bool()>& stopped, std::optional<int64_t> top) {
  if (batches.count() == 0) throw Error("INVALID_DATA", "There are no images to evaluate on.");
  const data::ToInput to_input(size, normalisation, parameters.front().device());
  at::Tensor loss;
  std::vector<at::Tensor> predictions;
  std::vector<at::Tensor> hits;
  std::vector<at::Tensor> near_hits;
  for (int64_t k = 0; k < batches.count(); ++k) {
    if (stopped()) return std::nullopt;
    const auto [pixels, labels] = batches.read(k);
    if (!pixels.defined()) return std::nullopt;
    const auto logits = infer(network, parameters, buffers, pixels, to_input).logits;
    const auto sum = at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).to(at::kDouble);
    loss = loss.defined() ? loss + sum : sum;
    predictions.push_back(at::argmax(logits, 1));
    hits.push_back(predictions.back() == labels);
    if (top) near_hits.push_back(among(logits, labels, *top));
  }
  Evaluation result;
  result.predictions = at::cat(predictions).to(at::kCPU, at::kInt).contiguous();
  result.total = result.predictions.numel();
  result.loss = loss.item<double>() / static_cast<double>(result.total);
  result.correct = at::cat(hits).sum().item<int64_t>();
  if (top) result.correct_top = at::cat(near_hits).sum().item<int64_t>();
  return result;
}

}  // namespace l2t::run
