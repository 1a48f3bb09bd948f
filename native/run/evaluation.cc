#include "native/run/evaluation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>

#include "native/core/error.h"

namespace l2t::run {

nets::Activations infer(const nets::Network& network, const std::vector<at::Tensor>& parameters,
                        const std::vector<at::Tensor>& buffers, const at::Tensor& pixels,
                        const data::ToInput& to_input) {
  return nets::forward(network, parameters, buffers, to_input(pixels), nets::Statistics::kRunning);
}

std::optional<Evaluation> evaluate(const nets::Network& network, const std::vector<at::Tensor>& parameters,
                                   const std::vector<at::Tensor>& buffers, data::EvaluationBatches batches,
                                   int64_t size, const data::Normalisation& normalisation,
                                   const std::function<bool()>& stopped) {
  if (batches.count() == 0) throw Error("INVALID_DATA", "There are no images to evaluate on.");
  const data::ToInput to_input(size, normalisation, parameters.front().device());
  at::Tensor loss;
  std::vector<at::Tensor> predictions;
  std::vector<at::Tensor> hits;
  for (int64_t k = 0; k < batches.count(); ++k) {
    if (stopped()) return std::nullopt;
    const auto [pixels, labels] = batches.read(k);
    if (!pixels.defined()) return std::nullopt;
    const auto logits = infer(network, parameters, buffers, pixels, to_input).logits;
    const auto sum = at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).to(at::kDouble);
    loss = loss.defined() ? loss + sum : sum;
    predictions.push_back(at::argmax(logits, 1));
    hits.push_back(predictions.back() == labels);
  }
  Evaluation result;
  result.predictions = at::cat(predictions).to(at::kCPU, at::kInt).contiguous();
  result.total = result.predictions.numel();
  result.loss = loss.item<double>() / static_cast<double>(result.total);
  result.correct = at::cat(hits).sum().item<int64_t>();
  return result;
}

}  // namespace l2t::run
