#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "native/bilevel/engine.h"
#include "native/run/config.h"
#include "native/run/meta_optimiser.h"

namespace l2t::run {

/// The images of a step, on the device. Where the ranks share a batch, these are this rank's.
struct StepImages {
  at::Tensor x;       // N × 3 × H × W: those with labels, then as many without, or none
  at::Tensor y;       // labels, int64
  int64_t labelled;   // of the whole batch
  int64_t kinds = 1;  // 2: with images without labels

  [[nodiscard]] int64_t all() const { return labelled * kinds; }
};

/// How the ranks compute together.
struct Sharing {
  const Reducer* reducer = &single_process();
  bool local_norm = false;  // batch norm's statistics are of a rank's own images, not of the whole batch
};

/// Wraps the backend that a learner's options choose, for example with a stopwatch.
using Decorate = std::function<const backends::Backend&(const backends::Backend&)>;

/// The results of one iteration. Scalars stay on the device.
struct Iteration {
  std::vector<nets::Activations> sources;  // kept only where the learner observes
  transfer::Importance importance;
  /// λ by φ₀, for the same images: by pair; empty where λ is not learned.
  std::vector<at::Tensor> lambda_start;
  bilevel::RealStep real;
  std::optional<bilevel::MetaStep> meta;  // of a bilevel method's iterations with a φ step
};

/// The networks, the engine and the state that trains; runs one iteration of method.md at a time.
class Learner {
 public:
  /// Loads sources from their weights; θ and φ are zero until `initialise` or a copy into `state()` and `phi()`.
  /// `observe`: keep all activations, for the parity checks. The reducer must outlive the learner.
  Learner(const Hyperparameters& hyperparameters, const nets::NetworkSpec& target, int64_t size,
          const std::vector<SourceConfig>& sources, const at::TensorOptions& options, bool observe,
          const Sharing& sharing = {}, const Decorate& decorate = {});
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  /// Sets θ and φ to method.md's initialisation.
  void initialise(uint64_t seed);

  /// Call it once a new run's θ and φ have their first values, from the seed or a checkpoint.
  void start();

  /// `images`: the target's; source_x: each source's, or what a source that runs elsewhere gave
  /// (nets::activations_from); lr: 0-dim, float64, on the device. `judge`: what the
  /// meta-objective is evaluated on; the batch itself unless given. Without `move_phi`, the real step only.
  Iteration iterate(const StepImages& images, const std::vector<at::Tensor>& source_x, const at::Tensor& lr,
                    const std::optional<StepImages>& judge = {}, bool move_phi = true);

  /// Checks whether the run's step `step`, from 0, also moves φ.
  [[nodiscard]] bool moves_phi(int64_t step) const { return bilevel() && step % meta_every_ == 0; }

  [[nodiscard]] const bilevel::Problem& problem() const { return problem_; }
  [[nodiscard]] const std::vector<transfer::Source>& sources() const { return sources_; }
  [[nodiscard]] bilevel::TargetState& state() { return state_; }
  [[nodiscard]] ParameterVector& phi() { return phi_; }
  [[nodiscard]] const bilevel::TargetState& state() const { return state_; }
  [[nodiscard]] const MetaOptimiser& meta_optimiser() const { return *meta_optimiser_; }

  /// From now on iterations record the time of each phase.
  void record_phases(Phases* phases) { problem_.phases = phases; }

  /// The target network's part of θ, without what the terms add, in the network's order.
  [[nodiscard]] std::vector<at::Tensor> network_parameters() const;

  /// Gives all ranks the state of rank 0.
  void share_state();

  /// theta/…, momentum/…, buffer/target.…, phi/…, those of the meta-optimiser, constant/…: views, not copies.
  [[nodiscard]] std::vector<NamedTensor> tensors() const;

 private:
  void take_method(const Hyperparameters& hyperparameters, const at::TensorOptions& options);
  [[nodiscard]] bool bilevel() const { return problem_.meta_networks.learned.any(); }
  /// A batch without the sources' outputs.
  [[nodiscard]] bilevel::Batch batch_of(const StepImages& images) const;
  /// Makes the inputs that all steps on a batch share.
  bilevel::Batch begin(const StepImages& images, const std::vector<at::Tensor>& source_x);
  [[nodiscard]] bool reads_resized() const;
  void share_running_statistics(const bilevel::Batch& batch);

  bilevel::Problem problem_;
  std::vector<transfer::Source> sources_;
  std::vector<int64_t> target_sizes_;
  bilevel::TargetState state_;
  std::vector<terms::Start> starts_;  // of θ
  ParameterVector phi_;
  std::unique_ptr<MetaOptimiser> meta_optimiser_;
  backends::Sgd sgd_{};
  int meta_every_ = 1;
  at::Tensor class_weights_;   // K; undefined: 1
  at::Tensor source_classes_;  // K: the first source's output for each class; undefined: in this order
  bool observe_;
  std::unique_ptr<bilevel::Engine> engine_;
};

}  // namespace l2t::run
