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
  /// Of the native engine: auto, winograd or direct.
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
  /// Of learning without forgetting.
  double temperature;
};

struct SourceConfig {
  nets::NetworkSpec network;
  std::vector<std::pair<int, int>> pairs;
  /// By the network's own parameter and buffer names.
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
  /// Training images are augmented by random resized crops, while they are decoded; else by padding and cropping.
  bool resized_crops;
  std::optional<data::ImageSet> validation;
  std::optional<data::ImageSet> test;
  /// The best epoch is the first with the highest validation accuracy; else, or without validation, the last.
  bool select_best;
  std::string device;
  int threads;
  uint64_t seed;
  int64_t epochs;
  int64_t batch;
  /// Images that are validated or tested together.
  int64_t evaluation_batch;
  double save_every;
  /// Part of all steps over which the learning rate grows linearly to the schedule's; 0: none.
  double warm_up;
  std::optional<Resume> resume;
};

}  // namespace l2t::run
