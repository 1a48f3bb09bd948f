#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "native/core/parameters.h"
#include "native/data/image_set.h"
#include "native/nets/registry.h"

namespace l2t::run {

/// α, μ, wd, β, T and the rest, as method.md names them.
struct Hyperparameters {
  std::string method;
  std::string engine;
  /// How the native engine computes 3×3 convolutions: auto, winograd or direct.
  std::string convolution;
  double lr;
  double momentum;
  double weight_decay;
  double beta;
  int inner_steps;
  double meta_lr;
  double meta_weight_decay;
  double attention_weight;
  double distillation_weight;
  /// The temperature τ of learning without forgetting.
  double temperature;
};

struct SourceConfig {
  nets::NetworkSpec network;
  std::vector<std::pair<int, int>> pairs;
  /// Under the names of the network's parameters and buffers.
  std::vector<NamedTensor> weights;
  int64_t size;
  data::Normalisation normalisation;
};

struct Resume {
  std::vector<NamedTensor> state;
  std::vector<NamedTensor> best;
};

struct RunConfig {
  Hyperparameters hyperparameters;
  nets::NetworkSpec target;
  int64_t size;
  data::Normalisation normalisation;
  /// Empty: initialised from the seed.
  std::vector<NamedTensor> target_weights;
  std::vector<SourceConfig> sources;
  data::ImageSet train;
  /// Augments training images by random resized crops, while they are decoded; else by padding and cropping.
  bool resized_crops;
  std::optional<data::ImageSet> validation;
  std::optional<data::ImageSet> test;
  /// The best epoch is the first with the highest validation accuracy. False, or no validation set: the last epoch.
  bool select_best;
  std::string device;
  int threads;
  uint64_t seed;
  int64_t epochs;
  int64_t batch;
  /// The batch size for validation and test.
  int64_t evaluation_batch;
  double save_every;
  /// Fraction of all steps during which the learning rate grows linearly to the schedule's; 0: no warm-up.
  double warm_up;
  std::optional<Resume> resume;
};

}  // namespace l2t::run
