#include "native/data/batches.h"

#include <ATen/ops/index_select.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <numeric>

#include "native/core/error.h"

namespace l2t::data {
namespace {

/// How many batches are decoded ahead of the one in training.
constexpr size_t kAhead = 2;

}  // namespace

TrainingBatches::TrainingBatches(ImageSet set, bool resized_crops, int64_t batch, uint64_t seed, int64_t epochs,
                                 Decoder* decoder)
    : set_(std::move(set)),
      resized_crops_(resized_crops),
      sampler_(set_.count(), set_.size, batch, seed),
      epochs_(epochs),
      decoder_(decoder) {
  if (resized_crops_ && set_.resident())
    throw Error("INVALID_OPTION", "Resized crops are drawn while images are decoded, so such a set has no pixels.");
}

ImageBatch TrainingBatches::read(int64_t epoch, int64_t step) {
  const auto device = set_.labels.device();
  const auto rows = at::tensor(sampler_.positions(epoch, step), at::kLong).to(device);
  const auto labels = at::index_select(set_.labels, 0, rows);
  auto pixels = set_.resident() ? at::index_select(set_.pixels, 0, rows) : decoded(epoch, step);
  if (!pixels.defined()) return {{}, labels};
  pixels = pixels.to(device, /*non_blocking=*/true);
  if (resized_crops_) return {mirror(pixels, sampler_.resized_crops(epoch, step).flips), labels};
  return {random_crops(pixels, sampler_.crops(epoch, step)), labels};
}

/// Returns the batch; before that, requests the kAhead batches after it, in this epoch or the next.
at::Tensor TrainingBatches::decoded(int64_t epoch, int64_t step) {
  if (asked_.empty() || asked_.front().epoch != epoch || asked_.front().step != step) {
    asked_.clear();
    ask(epoch, step);
  }
  while (asked_.size() <= kAhead) {
    auto [next_epoch, next_step, ticket] = asked_.back();
    if (++next_step == steps()) {
      next_step = 0;
      if (++next_epoch == epochs_) break;
    }
    ask(next_epoch, next_step);
  }
  const auto ticket = asked_.front().ticket;
  asked_.pop_front();
  return decoder_->take(ticket);
}

void TrainingBatches::ask(int64_t epoch, int64_t step) {
  Decoder::Request request{"train", sampler_.positions(epoch, step), set_.size, {}, set_.labels.device()};
  if (resized_crops_) request.draws = sampler_.resized_crops(epoch, step).draws;
  asked_.push_back({epoch, step, decoder_->request(std::move(request))});
}

EvaluationBatches::EvaluationBatches(const ImageSet& set, const char* name, int64_t batch, Decoder* decoder)
    : set_(set), name_(name), batch_(batch), decoder_(decoder) {}

ImageBatch EvaluationBatches::read(int64_t k) {
  const int64_t begin = k * batch_;
  const int64_t end = std::min(begin + batch_, set_.count());
  const auto labels = set_.labels.slice(0, begin, end);
  if (set_.resident()) return {set_.pixels.slice(0, begin, end), labels};
  if (asked_.empty()) ask(k);
  if (k + 1 < count()) ask(k + 1);
  const auto ticket = asked_.front();
  asked_.pop_front();
  const auto pixels = decoder_->take(ticket);
  return {pixels.defined() ? pixels.to(labels.device(), /*non_blocking=*/true) : pixels, labels};
}

void EvaluationBatches::ask(int64_t k) {
  std::vector<int64_t> positions(std::min(batch_, set_.count() - k * batch_));
  std::iota(positions.begin(), positions.end(), k * batch_);
  asked_.push_back(decoder_->request({name_, std::move(positions), set_.size, {}, set_.labels.device()}));
}

}  // namespace l2t::data
