#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "native/backends/backend.h"
#include "native/core/fields.h"
#include "native/core/layout.h"
#include "native/core/reducer.h"
#include "native/data/image_set.h"
#include "native/nets/registry.h"
#include "native/transfer/meta_networks.h"

namespace l2t::run {

/// The engine that computes gradients: the native one, or the oracle, by automatic differentiation.
enum class EngineKind { kNative, kAutograd };
constexpr auto names_of(EngineKind) { return std::array{"native", "autograd"}; }

/// The batch that the meta-objective is evaluated on: that of the steps, or the epoch's next one; its first follows its
/// last.
enum class MetaBatch { kSame, kOther };
constexpr auto names_of(MetaBatch) { return std::array{"same", "other"}; }

/// The images that batch norm's statistics cover where ranks share a batch: the whole batch, or each rank's.
enum class NormScope { kGlobal, kLocal };
constexpr auto names_of(NormScope) { return std::array{"global", "local"}; }

/// The options of learning, whatever the data.
struct Hyperparameters {
  std::string method;
  EngineKind engine;
  backends::Convolution convolution;
  backends::Precision precision;
  /// False: a GPU may take faster algorithms whose results differ from run to run.
  bool deterministic = true;
  /// The start of λ, for a method that learns it.
  std::optional<transfer::LambdaInit> lambda_init;
  /// Every number by its name: momentum, the settings of the method's terms and of its meta-networks.
  std::map<std::string, double> settings;
  /// The weight of each class's images in the cross-entropy; none: 1 each. It follows from the data.
  std::optional<std::vector<double>> class_weights;
  /// For each class of the data, the index of the first source's output; none: the order is the same. It follows from
  /// the data.
  std::optional<std::vector<int64_t>> source_classes;

  static void fields(auto& self, auto&& visit) {
    visit("method", self.method);
    visit("engine", self.engine);
    visit("convolution", self.convolution);
    visit("precision", self.precision);
    visit("deterministic", self.deterministic);
    visit("lambdaInit", self.lambda_init);
    visit(kItself, self.settings);
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
  /// Weights under the names of the network's parameters and buffers.
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

/// The part of a run's spec (src/options/spec.ts) that training reads, under the spec's names.
struct RunSpec {
  Hyperparameters hyperparameters;
  /// The target's own input: S, pixels.
  int64_t size;
  data::Augment augment;
  /// Epochs from one validation to the next; the last epoch is always validated.
  int64_t eval_every;
  /// Ends the run after so many validations in a row that were not better than the best epoch's.
  std::optional<int64_t> patience;
  std::string device;
  int threads;
  uint64_t seed;
  int64_t epochs;
  int64_t batch;
  double save_every;
  /// The batch that judges φ, for a method that has meta-networks.
  std::optional<MetaBatch> meta_batch;
  /// False: a GPU is given each operation of a step by itself, not the whole step as one graph.
  bool graph;
  NormScope batch_norm;

  static void fields(auto& self, auto&& visit) {
    Hyperparameters::fields(self.hyperparameters, visit);
    visit("size", self.size, kSides);
    visit("augment", self.augment);
    visit("evalEvery", self.eval_every, Whole{1, 1000000});
    visit("patience", self.patience, Whole{1, 1000000});
    visit("device", self.device);
    visit("threads", self.threads, kThreads);
    visit("seed", self.seed);
    visit("epochs", self.epochs, Whole{1, 1000000});
    visit("batch", self.batch, Whole{1, 1000000});
    visit("saveEvery", self.save_every);
    visit("metaBatch", self.meta_batch);
    visit("graph", self.graph);
    visit("batchNorm", self.batch_norm);
  }
};

/// A run's inputs: images, weights, and settings that follow from them.
struct RunMaterials {
  /// The target, with the data's classes.
  nets::NetworkSpec target;
  data::Normalisation normalisation;
  /// None: initialised from the seed.
  std::optional<std::vector<NamedTensor>> target_weights;
  /// φ to begin with; none: initialised from the seed.
  std::optional<std::vector<NamedTensor>> phi;
  std::vector<SourceConfig> sources;
  data::ImageSet train;
  /// Images without labels, which every step sees beside as many of `train`. Their labels are −1.
  std::optional<data::ImageSet> unlabelled;
  /// Crops training images by random resized crops, while they are decoded; else by padding and cropping.
  bool resized_crops;
  std::optional<data::ImageSet> validation;
  std::optional<data::ImageSet> test;
  std::optional<std::vector<double>> class_weights;
  std::optional<std::vector<int64_t>> source_classes;
  /// The best epoch is the first with the highest validation accuracy. False, or no validation set: the last epoch.
  bool select_best;
  /// K of the top-K accuracy of the test images.
  std::optional<int64_t> top;
  /// The batch size for validation and test.
  int64_t evaluation_batch;
  /// The learning rate at which the schedule begins.
  double lr;
  /// η_φ, of a method that has meta-networks; none: that of the settings.
  std::optional<double> meta_lr;
  /// Fraction of all steps during which the learning rate grows linearly to the schedule's; 0: no warm-up.
  std::optional<double> warm_up;
  std::optional<Resume> resume;
  /// The processes that share the run.
  std::shared_ptr<const Reducer> reducer = std::make_shared<Reducer>();

  static void fields(auto& self, auto&& visit) {
    visit("target", self.target);
    visit("normalisation", self.normalisation);
    visit("targetWeights", self.target_weights);
    visit("phi", self.phi);
    visit("sources", self.sources);
    visit("train", self.train);
    visit("unlabelled", self.unlabelled);
    visit("resizedCrops", self.resized_crops);
    visit("validation", self.validation);
    visit("test", self.test);
    visit("classWeights", self.class_weights);
    visit("sourceClasses", self.source_classes);
    visit("selectBest", self.select_best);
    visit("top", self.top, Whole{1, 1000000});
    visit("evaluationBatch", self.evaluation_batch, Whole{1, 1000000});
    visit("lr", self.lr);
    visit("metaLr", self.meta_lr);
    visit("warmUp", self.warm_up);
    visit("resume", self.resume);
    visit("reducer", self.reducer);
  }
};

struct RunConfig : RunSpec, RunMaterials {};

}  // namespace l2t::run
