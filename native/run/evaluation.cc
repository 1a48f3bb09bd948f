#include "native/run/evaluation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "native/core/error.h"
#include "native/nets/forward.h"

namespace l2t::run {

Evaluation evaluate(const nets::Network& network, const std::vector<at::Tensor>& parameters,
                    const std::vector<at::Tensor>& buffers, const data::ImageSet& images, int64_t size,
                    const data::Normalisation& normalisation, int64_t batch, const std::function<bool()>& stopped) {
  const auto device = images.pixels.device();
  auto loss = at::zeros({}, at::TensorOptions().dtype(at::kDouble).device(device));
  std::vector<at::Tensor> predictions;
  std::vector<at::Tensor> hits;
  for (int64_t begin = 0; begin < images.count(); begin += batch) {
    if (stopped()) throw Error("ABORTED", "The evaluation was aborted.");
    const auto rows = images.indices.slice(0, begin, std::min(begin + batch, images.count())).to(device);
    const auto x = data::to_input(at::index_select(images.pixels, 0, rows), size, normalisation);
    const auto y = at::index_select(images.labels, 0, rows);
    const auto logits = nets::forward(network, parameters, buffers, x, nets::Statistics::kRunning).logits;
    loss += at::cross_entropy_loss(logits, y, {}, at::Reduction::Sum).to(at::kDouble);
    predictions.push_back(at::argmax(logits, 1));
    hits.push_back(predictions.back() == y);
  }
  Evaluation result;
  result.total = images.count();
  if (result.total == 0) throw Error("INVALID_DATA", "There are no images to evaluate on.");
  result.loss = loss.item<double>() / static_cast<double>(result.total);
  result.predictions = at::cat(predictions).to(at::kCPU, at::kInt).contiguous();
  result.correct = at::cat(hits).sum().item<int64_t>();
  return result;
}

}  // namespace l2t::run
