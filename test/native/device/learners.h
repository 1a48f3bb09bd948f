#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "native/run/learner.h"

namespace l2t::test {

/// The number of every target's classes.
constexpr int64_t kClasses = 4;

/// A small training for a check.
struct Training {
  std::string target;
  int64_t size;
  std::string method;
  at::ScalarType type = at::kDouble;
  int64_t sources = 1;  // if the method needs any
  bool bf16 = false;    // the CUDA backend computes products of bfloat16
  /// Smoothed labels, weights of the classes, and another batch that judges φ.
  bool beyond_paper = false;
};

/// Weights of a network that was never trained, but with running statistics and biases that matter.
std::vector<NamedTensor> fixed_weights(const nets::Network& network, uint64_t seed);

/// Makes a started learner with sources of fixed weights; θ and φ come from a fixed seed.
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
