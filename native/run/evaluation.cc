#include "native/run/evaluation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gather.h>

#include <cmath>

namespace l2t::run {
namespace {

/// Checks whether each label is among the `top` likeliest classes; equally likely ones keep their order. bool, B.
at::Tensor among(const at::Tensor& logits, const at::Tensor& labels, int64_t top) {
  const auto label = labels.unsqueeze(1);
  const auto own = at::gather(logits, 1, label);
  const auto earlier = at::arange(logits.size(1), labels.options()) < label;
  // A comparison with NaN counts against the label.
  const auto before = (logits <= own).logical_not() | ((logits == own) & earlier);
  return before.sum(1) < top;
}

double count_true(const std::vector<at::Tensor>& parts) {
  return parts.empty() ? 0 : static_cast<double>(at::cat(parts).sum().item<int64_t>());
}

/// int32 on the CPU.
at::Tensor on_host(const std::vector<at::Tensor>& predictions) {
  return predictions.empty() ? at::empty({0}, at::kInt) : at::cat(predictions).to(at::kCPU, at::kInt).contiguous();
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
  const auto& reducer = batches.reducer();
  const data::ToInput to_input(size, normalisation, parameters.front().device());
  at::Tensor loss;
  std::vector<at::Tensor> predictions;
  std::vector<at::Tensor> hits;
  std::vector<at::Tensor> near_hits;
  bool ended = false;
  for (int64_t k = 0; k < batches.max_count(); ++k) {
    ended = ended || stopped();
    if (reducer.sum(ended ? 1 : 0) > 0) return std::nullopt;
    if (k >= batches.count()) continue;
    const auto [pixels, labels] = batches.read(k);
    ended = !pixels.defined();
    if (ended) continue;
    const auto logits = infer(network, parameters, buffers, pixels, to_input).logits;
    const auto sum = at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).to(at::kDouble);
    loss = loss.defined() ? loss + sum : sum;
    predictions.push_back(at::argmax(logits, 1));
    hits.push_back(predictions.back() == labels);
    if (top) near_hits.push_back(among(logits, labels, *top));
  }
  if (reducer.sum(ended ? 1 : 0) > 0) return std::nullopt;
  Evaluation result;
  result.total = batches.images();
  result.predictions = reducer.gather(on_host(predictions), batches.images());
  // A rank without images adds nothing.
  std::vector<std::vector<double>> sums{
      {loss.defined() ? loss.item<double>() : 0, count_true(hits), top ? count_true(near_hits) : 0}};
  reducer.sum(sums);
  result.loss = sums[0][0] / static_cast<double>(result.total);
  result.correct = std::llround(sums[0][1]);
  if (top) result.correct_top = std::llround(sums[0][2]);
  return result;
}

}  // namespace l2t::run
