#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "native/run/learner.h"
#include "test/native/device/verbs.h"

namespace l2t::test {

/// Of every target.
constexpr int64_t kClasses = 4;

/// What is trained in a check, small.
struct Training {
  std::string target;
  int64_t size;
  std::string method;
  int64_t sources;
  std::string pairs;  // of each source, as --pairs; "none"
  at::ScalarType type;
  bool bf16;  // the CUDA backend computes products of bfloat16
  std::map<std::string, double> settings;

  /// With smoothed labels go weights of the classes, and another batch judges φ.
  [[nodiscard]] bool beyond_paper() const { return settings.at("labelSmoothing") > 0; }
};

/// From the words of `train`.
Training training_of(const Words& words);

/// Weights of a network that was never trained, but with running statistics and biases that matter.
std::vector<NamedTensor> fixed_weights(const nets::Network& network, uint64_t seed);

/// With sources of fixed weights; θ and φ from a fixed seed, and started.
std::unique_ptr<run::Learner> make_learner(const Training& training, run::EngineKind engine,
                                           backends::Convolution convolution, c10::Device device);

/// Batch k of the training: the same numbers on every device. Every fourth is smaller, as an epoch's last may be.
struct TrainingBatch {
  at::Tensor x;
  std::vector<at::Tensor> source_x;
  at::Tensor y;
  at::Tensor lr;  // 0-dim, float64
  std::optional<run::StepImages> judge;
};
TrainingBatch batch_of(const Training& training, int64_t k, c10::Device device);

run::Iteration iterate(run::Learner& learner, const TrainingBatch& batch);

}  // namespace l2t::test
