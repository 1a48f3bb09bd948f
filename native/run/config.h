#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "native/core/group.h"
#include "native/core/layout.h"
#include "native/data/image_set.h"
#include "native/nets/registry.h"

namespace l2t::run {

struct Hyperparameters {
  std::string method;
  std::string engine;
  /// How the native engine computes convolutions: auto, winograd or direct.
  std::string convolution;
  /// How a GPU multiplies: float32 (where it is not given), tf32 or bf16.
  std::optional<std::string> precision;
  /// False: a GPU may take faster algorithms whose results differ from run to run.
  std::optional<bool> deterministic;
  /// Of each class's images in the cross-entropy; none: 1 each.
  std::optional<std::vector<double>> class_weights;
  /// Everything else by name: momentum, the settings of the method's terms and of its meta-networks.
  std::map<std::string, double> settings;

  static void fields(auto& self, auto&& visit) {
    visit("method", self.method);
    visit("engine", self.engine);
    visit("convolution", self.convolution);
    visit("precision", self.precision);
    visit("deterministic", self.deterministic);
    visit("classWeights", self.class_weights);
    visit("settings", self.settings);
  }
};

/// A source without weights of its own.
struct SourceSpec {
  nets::NetworkSpec network;
  std::vector<std::pair<int, int>> pairs;

  static void fields(auto& self, auto&& visit) {
    visit("network", self.network);
    visit("pairs", self.pairs);
  }
};

struct SourceConfig {
  nets::NetworkSpec network;
  std::vector<std::pair<int, int>> pairs;
  /// Under the names of the network's parameters and buffers.
  std::vector<NamedTensor> weights;
  int64_t size;
  data::Normalisation normalisation;

  static void fields(auto& self, auto&& visit) {
    visit("network", self.network);
    visit("pairs", self.pairs);
    visit("weights", self.weights);
    visit("size", self.size, kSides);
    visit("normalisation", self.normalisation);
  }
};

struct Resume {
  std::vector<NamedTensor> state;
  std::vector<NamedTensor> best;

  static void fields(auto& self, auto&& visit) {
    visit("state", self.state);
    visit("best", self.best);
  }
};

struct RunConfig {
  Hyperparameters hyperparameters;
  nets::NetworkSpec target;
  int64_t size;
  data::Normalisation normalisation;
  /// None: initialised from the seed.
  std::optional<std::vector<NamedTensor>> target_weights;
  std::vector<SourceConfig> sources;
  data::ImageSet train;
  /// How training images are augmented: crop-flip (where it is not given) or none.
  std::optional<std::string> augment;
  /// Crops training images by random resized crops, while they are decoded; else by padding and cropping.
  bool resized_crops;
  std::optional<data::ImageSet> validation;
  std::optional<data::ImageSet> test;
  /// The best epoch is the first with the highest validation accuracy. False, or no validation set: the last epoch.
  bool select_best;
  /// Every so many epochs are validated (1 where it is not given), and the last always.
  std::optional<int64_t> eval_every;
  /// Ends the run after so many validations in a row that were not better than the best epoch's.
  std::optional<int64_t> patience;
  /// K of the top-K accuracy of the test images.
  std::optional<int64_t> top;
  std::string device;
  int threads;
  uint64_t seed;
  int64_t epochs;
  int64_t batch;
  /// The batch size for validation and test.
  int64_t evaluation_batch;
  double save_every;
  /// The learning rate at which the schedule begins.
  double lr;
  /// Fraction of all steps during which the learning rate grows linearly to the schedule's; 0: no warm-up.
  std::optional<double> warm_up;
  /// What the meta-objective is evaluated on: the batch of the steps (same, where it is not given), or the next batch
  /// of the epoch's order, after its last the first (other).
  std::optional<std::string> meta_batch;
  /// False: a GPU is given each operation of a step by itself, not the whole step as one graph.
  std::optional<bool> graph;
  std::optional<Resume> resume;
  /// The processes that share the run; none: this one alone.
  std::shared_ptr<JoinedGroup> group;
  /// What batch norm's statistics are of: the whole batch (global, where it is not given), or each rank's images
  /// (local).
  std::optional<std::string> batch_norm;

  static void fields(auto& self, auto&& visit) {
    Hyperparameters::fields(self.hyperparameters, visit);
    visit("target", self.target);
    visit("size", self.size, kSides);
    visit("normalisation", self.normalisation);
    visit("targetWeights", self.target_weights);
    visit("sources", self.sources);
    visit("train", self.train);
    visit("augment", self.augment);
    visit("resizedCrops", self.resized_crops);
    visit("validation", self.validation);
    visit("test", self.test);
    visit("selectBest", self.select_best);
    visit("evalEvery", self.eval_every, Whole{1, 1000000});
    visit("patience", self.patience, Whole{1, 1000000});
    visit("top", self.top, Whole{1, 1000000});
    visit("device", self.device);
    visit("threads", self.threads, kThreads);
    visit("seed", self.seed);
    visit("epochs", self.epochs, Whole{1, 1000000});
    visit("batch", self.batch, Whole{1, 1000000});
    visit("evaluationBatch", self.evaluation_batch, Whole{1, 1000000});
    visit("saveEvery", self.save_every);
    visit("lr", self.lr);
    visit("warmUp", self.warm_up);
    visit("metaBatch", self.meta_batch);
    visit("graph", self.graph);
    visit("resume", self.resume);
    visit("group", self.group);
    visit("batchNorm", self.batch_norm);
  }
};

/// Throws INVALID_DATA for a set without images, or with a label that is no class; INVALID_OPTION for a patience
/// without a best epoch.
void require_valid(const RunConfig& config);

}  // namespace l2t::run
