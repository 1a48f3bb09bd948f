#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <vector>

#include "native/core/memory.h"
#include "native/data/batches.h"
#include "native/run/captured_step.h"
#include "native/run/config.h"
#include "native/run/epoch_sums.h"
#include "native/run/events.h"
#include "native/run/learner.h"
#include "native/run/source_runner.h"
#include "native/run/step_log.h"

namespace l2t::run {

/// A whole run: epochs of iterations, validation, the best epoch, saves; then the test images, once. Every rank
/// has a trainer; the first reports and saves, and every decision is taken from numbers that all ranks have alike.
class Trainer {
 public:
  /// Moves the images to the device and sets the calling thread's LibTorch thread count, so call run() on this thread.
  /// `decoder` may be null where all sets are resident, `runner` where no source runs elsewhere.
  Trainer(RunConfig config, Listener& listener, data::Decoder* decoder, SourceRunner* runner);

  TrainerResult run();

  /// Instead of run(): one real step at each of these learning rates in turn, on the run's first batches. Ends early
  /// where a loss is not finite (its event has an infinite cross-entropy) or the run was asked to end. Saves nothing.
  void try_rates(const std::vector<double>& rates);

 private:
  /// An iteration's inputs: the target's images, each source's, the learning rate, and the batch that judges φ.
  struct Input {
    StepImages images;
    std::vector<at::Tensor> source_x;
    at::Tensor lr;
    std::optional<StepImages> judge;
  };
  using Kind = CapturedStep::Kind;
  bool finish_epoch();
  [[nodiscard]] bool out_of_patience() const;
  bool step();
  /// A step's tensors on the device: its plan and, where the images are not resident, its pixels; then, where another
  /// batch judges φ, those of that batch; then the outputs of each source that runs elsewhere.
  struct Prepared {
    CapturedStep::Inputs inputs;
    std::vector<int64_t> tickets;  // of the outputs not yet received
  };
  /// Nothing where the run was asked to end.
  [[nodiscard]] std::optional<Prepared> prepare(int64_t epoch, int64_t step, double lr, Kind kind);
  [[nodiscard]] std::optional<Prepared> prepare(int64_t epoch, int64_t step);
  bool upload(const std::optional<data::StepInput>& host, CapturedStep::Inputs& uploaded);
  void request_sources(Prepared& prepared);
  /// Waits for the sources that run elsewhere; false where the run was asked to end.
  bool complete(Prepared& prepared);
  /// The next step, complete. Sources that run elsewhere begin with the step after it.
  [[nodiscard]] std::optional<Prepared> next_step();
  [[nodiscard]] data::StepInput step_input(const CapturedStep::Inputs& uploaded, size_t k) const;
  /// Returns the inputs of the epoch's step `step`.
  [[nodiscard]] Input input(const CapturedStep::Inputs& uploaded, int64_t step) const;
  [[nodiscard]] const Reducer& reducer() const { return *config_.reducer; }
  /// Checks whether `here` is true on every rank.
  [[nodiscard]] bool agreed(bool here) const { return reducer().sum(here ? 0 : 1) == 0; }
  void require_same_state() const;
  void share_start();
  void require_enough_for_each_rank() const;
  void record(const LoggedStep& step, const at::Tensor& row);
  /// Runs a step; where the GPU's memory ends, throws OUT_OF_MEMORY, naming the batch and what would fit.
  at::Tensor within_memory(int64_t labelled, const std::function<at::Tensor()>& step);
  [[nodiscard]] std::optional<size_t> memory_of_step(int64_t labelled);
  TrainerResult stop();
  void save();
  void save_when_due();
  [[nodiscard]] double learning_rate(int64_t epoch, int64_t step) const;
  [[nodiscard]] Kind kind_of(int64_t epoch, int64_t step) const;
  [[nodiscard]] std::optional<Evaluation> evaluate_on(const data::ImageSet& images, const char* name,
                                                      const std::vector<at::Tensor>& parameters,
                                                      const std::vector<at::Tensor>& buffers,
                                                      std::optional<int64_t> top = std::nullopt) const;
  void require_finite_weights();
  void keep_best(const Best& best);

  [[nodiscard]] std::vector<NamedTensor> state() const;
  void start();
  void restore(const Resume& resume);
  /// Copies on the CPU, under the target's names.
  [[nodiscard]] std::vector<NamedTensor> network(Tensors parameters, Tensors buffers) const;

  using Clock = std::chrono::steady_clock;
  [[nodiscard]] static double seconds_since(Clock::time_point start);
  KeptMemory memory_;
  RunConfig config_;
  Listener& listener_;
  c10::Device device_;
  Learner learner_;
  data::Decoder* decoder_;
  SourceRunner* runner_;
  std::vector<size_t> elsewhere_;  // indices of the sources that run elsewhere
  data::TrainingBatches batches_;
  data::ToInput to_input_;
  std::vector<data::ToInput> to_source_input_;
  EpochSums sums_;
  SideStream uploads_;
  StepLog log_;
  CapturedStep iterate_;
  std::optional<Prepared> ahead_;
  int64_t epoch_ = 0;
  int64_t step_ = 0;
  std::optional<Best> best_;
  std::vector<at::Tensor> best_parameters_;
  std::vector<at::Tensor> best_buffers_;
  Clock::time_point last_save_ = Clock::now();
  Clock::time_point epoch_start_ = Clock::now();
  int64_t epoch_images_ = 0;  // trained on since epoch_start_
  int64_t epoch_steps_ = 0;   // done since epoch_start_
};

}  // namespace l2t::run
