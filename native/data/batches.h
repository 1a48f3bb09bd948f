#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "native/core/interface.h"
#include "native/core/reducer.h"
#include "native/data/image_set.h"
#include "native/data/sampler.h"

namespace l2t::data {

/// A step's part of the host: one small tensor, so that one upload carries it, and pixels where the set is not
/// resident.
struct StepInput {
  /// float64: the learning rate; then of the B images, the labelled ones first, their rows in their sets; and unless
  /// they are not augmented, the tops and lefts of their crops (0 for resized crops) and 1 for those that are mirrored.
  /// float64 holds every row exactly.
  at::Tensor plan;
  at::Tensor pixels;  // uint8, B × S × S × 3; undefined: resident
};

/// Images on the device, and the labels of the first of them, which have one.
struct ImageBatch {
  at::Tensor pixels;  // uint8, B × S × S × 3; undefined where decoding was stopped
  at::Tensor labels;  // int64
};

/// Decodes images on other threads while training goes on.
class Decoder : public Interface {
 public:
  struct Request {
    const char* set;                 // train, unlabelled, validation or test
    std::vector<int64_t> positions;  // in the set
    int64_t size;                    // S
    std::vector<double> draws;       // for random resized crops (Sampler::resized_crops); empty: whole images
    c10::Device device;              // where the batch will be copied
  };

  /// Starts to decode a batch and returns its ticket.
  virtual int64_t request(Request request) = 0;
  /// Waits for a batch: uint8, B × S × S × 3, on the CPU; undefined where decoding was stopped.
  virtual at::Tensor take(int64_t ticket) = 0;
};

/// The batches for training. Images are cropped by random resized crop, or by pad and crop. A set that is not resident
/// is decoded two batches ahead. Where the ranks share a batch, each prepares its own images alone: its share of the
/// labelled ones, and as many of those without labels.
class TrainingBatches {
 public:
  struct Options {
    Augment augment;
    bool resized_crops;  // only for a set that is not resident, and not with Augment::kNone
    bool judged;         // prepare_next will be called, too
    int64_t batch;
    uint64_t seed;
    int64_t epochs;
    const Reducer* reducer = &single_process();
  };
  /// `unlabelled`: a set of the same size, resident or not as `set` is. `decoder` may be null where they are resident.
  TrainingBatches(ImageSet set, std::optional<ImageSet> unlabelled, const Options& options, Decoder* decoder);

  [[nodiscard]] int64_t steps() const { return sampler_.steps(); }
  /// Labelled images of the whole batch `step` of every epoch.
  [[nodiscard]] int64_t labelled(int64_t step) const { return sampler_.images(step); }
  /// 2 with images without labels, else 1.
  [[nodiscard]] int64_t kinds() const { return static_cast<int64_t>(sets_.size()); }

  /// Prepares a step's input on the host, in pinned memory for a GPU. Returns nothing where decoding was stopped.
  std::optional<StepInput> prepare(int64_t epoch, int64_t step, double lr);

  /// Call after prepare: prepares the epoch's next batch, or its first where `step` is its last. The images are
  /// augmented as in that batch's own step; the learning rate is 0.
  std::optional<StepInput> prepare_next(int64_t epoch, int64_t step);

  [[nodiscard]] bool resident() const { return sets_.front().resident(); }

  /// The batch itself, from its StepInput on the device. Reads nothing on the host.
  [[nodiscard]] ImageBatch batch(const StepInput& input) const;
  /// 0-dim, float64.
  [[nodiscard]] static at::Tensor learning_rate(const StepInput& input) { return input.plan.select(0, 0); }

 private:
  /// A batch under way. Batches are decoded in the order of training; where they are judged, an epoch's first is
  /// decoded again after its last, as batch steps().
  struct Asked {
    int64_t epoch;
    int64_t step;
    std::vector<int64_t> tickets;  // of each kind
    at::Tensor pixels;             // undefined: not taken yet
  };
  std::optional<StepInput> input(int64_t epoch, int64_t step, double lr);
  [[nodiscard]] at::Tensor decoded(int64_t epoch, int64_t step);
  void ask(int64_t epoch, int64_t step);
  /// Asks for the batch after the last one asked for; false where there is none.
  bool ask_next();
  void take(Asked& batch);
  at::Tensor plan(int64_t epoch, int64_t step, double lr);
  [[nodiscard]] c10::Device device() const { return sets_.front().labels.device(); }
  [[nodiscard]] int64_t numbers_per_image() const;
  /// Returns this rank's part of the sampler's entries for a batch; `each`: entries for an image.
  template <class T>
  [[nodiscard]] std::vector<T> rank_share(const std::vector<T>& batch, int64_t each = 1) const;
  /// Writes the crops of `images` of a kind: top, left and flip, each `batch` behind the one before.
  void plan_crops(Kind kind, int64_t epoch, int64_t step, double* top, int64_t images, int64_t batch) const;

  std::vector<ImageSet> sets_;  // by kind
  Options options_;
  Sampler sampler_;
  Decoder* decoder_;
  std::deque<Asked> asked_;
};

/// This rank's share of a set's images in order, whole, `batch` at a time; a set that is not resident is decoded one
/// batch ahead.
class EvaluationBatches {
 public:
  /// `name`: validation or test. `decoder` may be null where the set is resident.
  EvaluationBatches(const ImageSet& set, const char* name, int64_t batch, Decoder* decoder,
                    const Reducer& reducer = single_process());

  [[nodiscard]] const Reducer& reducer() const { return reducer_; }
  /// The number of the set's images.
  [[nodiscard]] int64_t images() const { return set_.count(); }
  /// The number of this rank's batches.
  [[nodiscard]] int64_t count() const { return batches(share_.count()); }
  /// The number of batches of the rank that has most.
  [[nodiscard]] int64_t max_count() const { return batches((set_.count() + reducer_.size() - 1) / reducer_.size()); }

  /// Batch `k`; read them in order, from 0.
  ImageBatch read(int64_t k);

 private:
  void ask(int64_t k);
  [[nodiscard]] int64_t batches(int64_t images) const { return (images + batch_ - 1) / batch_; }
  /// The images of batch k, in the set.
  [[nodiscard]] Reducer::Share images_of(int64_t k) const;

  const ImageSet& set_;
  const char* name_;
  int64_t batch_;
  Decoder* decoder_;
  const Reducer& reducer_;
  Reducer::Share share_;
  std::deque<int64_t> asked_;
};

}  // namespace l2t::data
