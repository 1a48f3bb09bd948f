#include "native/data/batches.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "native/core/error.h"
#include "native/core/side_stream.h"

namespace l2t::data {
namespace {

/// How many batches are decoded ahead of the one in training.
constexpr size_t kAhead = 2;

/// Row, top, left, flip.
constexpr int64_t kNumbersPerCrop = 4;

constexpr std::array kSetNames{"train", "unlabelled"};  // by kind

}  // namespace

TrainingBatches::TrainingBatches(ImageSet set, std::optional<ImageSet> unlabelled, const Options& options,
                                 Decoder* decoder)
    : options_(options),
      sampler_(set.count(), unlabelled ? unlabelled->count() : 0, set.size, options.batch, options.seed),
      decoder_(decoder) {
  if (unlabelled &&
      (unlabelled->count() == 0 || unlabelled->size != set.size || unlabelled->resident() != set.resident()))
    throw Error("INVALID_DATA", "The images without labels must be some, and prepared as the training images are.");
  sets_.push_back(std::move(set));
  if (unlabelled) sets_.push_back(std::move(*unlabelled));
  if (!options.resized_crops) return;
  if (resident())
    throw Error("INVALID_OPTION", "Resized crops are drawn while images are decoded, so such a set has no pixels.");
  if (options.augment == Augment::kNone)
    throw Error("INVALID_OPTION", "Images that are not augmented have no resized crops.");
}

std::optional<StepInput> TrainingBatches::prepare(int64_t epoch, int64_t step, double lr) {
  while (!asked_.empty() && (asked_.front().epoch < epoch || asked_.front().step < step)) {
    take(asked_.front());
    asked_.pop_front();
  }
  return input(epoch, step, lr);
}

std::optional<StepInput> TrainingBatches::prepare_next(int64_t epoch, int64_t step) {
  return input(epoch, step + 1, /*lr=*/0);
}

std::optional<StepInput> TrainingBatches::input(int64_t epoch, int64_t step, double lr) {
  StepInput input{plan(epoch, step % steps(), lr), {}};
  if (resident()) return input;
  input.pixels = decoded(epoch, step);
  return input.pixels.defined() ? std::optional(std::move(input)) : std::nullopt;
}

at::Tensor TrainingBatches::plan(int64_t epoch, int64_t step, double lr) {
  const auto images = options_.reducer->share(labelled(step)).count();
  const auto batch = images * kinds();
  const auto plan = at::empty({1 + numbers_per_image() * batch}, upload_options(device(), at::kDouble));
  auto* row = plan.mutable_data_ptr<double>();
  *row++ = lr;
  for (int64_t k = 0; k < kinds(); ++k, row += images) {
    const auto kind = static_cast<Kind>(k);
    const auto rows = rank_share(sampler_.positions(kind, epoch, step));
    std::copy(rows.begin(), rows.end(), row);
    if (options_.augment != Augment::kNone) plan_crops(kind, epoch, step, row + batch, images, batch);
  }
  return plan;
}

template <class T>
std::vector<T> TrainingBatches::rank_share(const std::vector<T>& batch, int64_t each) const {
  const auto [begin, end] = options_.reducer->share(static_cast<int64_t>(batch.size()) / each);
  return {batch.begin() + begin * each, batch.begin() + end * each};
}

int64_t TrainingBatches::numbers_per_image() const { return options_.augment == Augment::kNone ? 1 : kNumbersPerCrop; }

void TrainingBatches::plan_crops(Kind kind, int64_t epoch, int64_t step, double* top, int64_t images,
                                 int64_t batch) const {
  auto* const left = top + batch;
  auto* const flip = left + batch;
  if (options_.resized_crops) {
    std::fill_n(top, images, 0.0);
    std::fill_n(left, images, 0.0);
    const auto flips = rank_share(sampler_.resized_crops(kind, epoch, step).flips);
    std::copy(flips.begin(), flips.end(), flip);
    return;
  }
  const auto crops = rank_share(sampler_.crops(kind, epoch, step));
  for (int64_t b = 0; b < images; ++b) {
    top[b] = static_cast<double>(crops[b].top);
    left[b] = static_cast<double>(crops[b].left);
    flip[b] = crops[b].flip ? 1 : 0;
  }
}

ImageBatch TrainingBatches::batch(const StepInput& input) const {
  const auto each = numbers_per_image();
  const auto numbers = input.plan.slice(0, 1).view({each, (input.plan.size(0) - 1) / each});
  const auto places = numbers.to(at::kLong);
  const auto rows = places[0].chunk(kinds());
  const auto labels = at::index_select(sets_.front().labels, 0, rows.front());
  auto pixels = input.pixels;
  if (resident()) {
    std::vector<at::Tensor> by_kind;
    for (size_t k = 0; k < sets_.size(); ++k) by_kind.push_back(at::index_select(sets_[k].pixels, 0, rows[k]));
    pixels = by_kind.size() == 1 ? by_kind.front() : at::cat(by_kind);
  }
  if (labels.size(0) == 0) return {pixels, labels};  // a batch of fewer images than ranks
  if (options_.augment == Augment::kNone) return {pixels, labels};
  if (options_.resized_crops) return {mirror(pixels, places[3]), labels};
  return {random_crops(pixels, places[1], places[2], places[3]), labels};
}

/// Returns the batch; before that, requests the kAhead batches after it.
at::Tensor TrainingBatches::decoded(int64_t epoch, int64_t step) {
  const auto position = [&] {
    const auto same = [&](const Asked& batch) { return batch.epoch == epoch && batch.step == step; };
    return static_cast<size_t>(std::find_if(asked_.begin(), asked_.end(), same) - asked_.begin());
  };
  if (position() == asked_.size()) {
    for (auto& batch : asked_) take(batch);
    asked_.clear();
    ask(epoch, step);
  }
  const auto at = position();
  while (asked_.size() <= at + kAhead && ask_next()) {
  }
  take(asked_[at]);
  return asked_[at].pixels;
}

void TrainingBatches::take(Asked& batch) {
  if (batch.pixels.defined()) return;
  std::vector<at::Tensor> by_kind;
  bool stopped = false;
  for (const auto ticket : batch.tickets) {
    by_kind.push_back(decoder_->take(ticket));
    stopped |= !by_kind.back().defined();
  }
  if (!stopped) batch.pixels = by_kind.size() == 1 ? by_kind.front() : at::cat(by_kind);
}

bool TrainingBatches::ask_next() {
  const auto& last = asked_.back();
  const auto batches = steps() + (options_.judged ? 1 : 0);
  if (last.step + 1 < batches) {
    ask(last.epoch, last.step + 1);
  } else if (last.epoch + 1 < options_.epochs) {
    ask(last.epoch + 1, 0);
  } else {
    return false;
  }
  return true;
}

void TrainingBatches::ask(int64_t epoch, int64_t step) {
  const auto of_epoch = step % steps();
  auto& asked = asked_.emplace_back(Asked{epoch, step, {}, {}});
  for (size_t k = 0; k < sets_.size(); ++k) {
    const auto kind = static_cast<Kind>(k);
    Decoder::Request request{
        kSetNames[k], rank_share(sampler_.positions(kind, epoch, of_epoch)), sets_[k].size, {}, device()};
    if (options_.resized_crops)
      request.draws = rank_share(sampler_.resized_crops(kind, epoch, of_epoch).draws, kDrawsPerCrop);
    asked.tickets.push_back(decoder_->request(std::move(request)));
  }
}

EvaluationBatches::EvaluationBatches(const ImageSet& set, const char* name, int64_t batch, Decoder* decoder,
                                     const Reducer& reducer)
    : set_(set), name_(name), batch_(batch), decoder_(decoder), reducer_(reducer), share_(reducer.share(set.count())) {}

Reducer::Share EvaluationBatches::images_of(int64_t k) const {
  const int64_t begin = share_.begin + k * batch_;
  return {begin, std::min(begin + batch_, share_.end)};
}

ImageBatch EvaluationBatches::read(int64_t k) {
  const auto [begin, end] = images_of(k);
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
  const auto images = images_of(k);
  std::vector<int64_t> positions(images.count());
  std::iota(positions.begin(), positions.end(), images.begin);
  asked_.push_back(decoder_->request({name_, std::move(positions), set_.size, {}, set_.labels.device()}));
}

}  // namespace l2t::data
