#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "native/core/interface.h"
#include "native/core/layout.h"
#include "native/run/evaluation.h"

/// A trainer's events; src/native/contract.ts documents each field.
namespace l2t::run {

/// Values of the terms of the loss by name, in the order of the method.
using Losses = std::vector<std::pair<std::string, double>>;

struct StepEvent {
  int64_t epoch;
  int64_t step;
  int64_t steps;
  Losses losses;
  std::optional<double> meta_objective;

  static constexpr const char* kType = "step";
  static void fields(auto& self, auto&& visit) {
    visit("epoch", self.epoch);
    visit("step", self.step);
    visit("steps", self.steps);
    visit("losses", self.losses);
    visit("metaObjective", self.meta_objective);
  }
};

struct PairMetrics {
  int source;
  std::pair<int, int> pair;
  std::optional<double> lambda_mean;
  std::optional<double> lambda_std;
  std::optional<double> lambda_start;
  std::optional<double> weight_entropy;

  static void fields(auto& self, auto&& visit) {
    visit("source", self.source);
    visit("pair", self.pair);
    visit("lambdaMean", self.lambda_mean);
    visit("lambdaStd", self.lambda_std);
    visit("lambdaStart", self.lambda_start);
    visit("weightEntropy", self.weight_entropy);
  }
};

struct EpochMetrics {
  int64_t epoch = 0;
  double lr = 0;
  Losses losses;
  std::optional<double> meta_objective;
  std::optional<double> grad_phi;
  double train_accuracy = 0;
  std::optional<double> validation_accuracy;
  std::optional<double> validation_loss;
  std::vector<PairMetrics> pairs;

  static void fields(auto& self, auto&& visit) {
    visit("epoch", self.epoch);
    visit("lr", self.lr);
    visit("losses", self.losses);
    visit("metaObjective", self.meta_objective);
    visit("gradPhi", self.grad_phi);
    visit("trainAccuracy", self.train_accuracy);
    visit("validationAccuracy", self.validation_accuracy);
    visit("validationLoss", self.validation_loss);
    visit("pairs", self.pairs);
  }
};

/// The most that the process held since the run began, bytes.
struct GpuMemory {
  size_t allocated;
  size_t reserved;

  static void fields(auto& self, auto&& visit) {
    visit("allocated", self.allocated);
    visit("reserved", self.reserved);
  }
};

struct EpochEvent {
  EpochMetrics metrics;
  double seconds;
  int64_t steps;
  double images_per_second;
  bool best;
  std::optional<GpuMemory> gpu_memory;
  std::vector<NamedTensor> network;
  std::vector<NamedTensor> state;

  static constexpr const char* kType = "epoch";
  static void fields(auto& self, auto&& visit) {
    visit("metrics", self.metrics);
    visit("seconds", self.seconds);
    visit("steps", self.steps);
    visit("imagesPerSecond", self.images_per_second);
    visit("best", self.best);
    visit("gpuMemory", self.gpu_memory);
    visit("network", self.network);
    visit("state", self.state);
  }
};

struct SaveEvent {
  std::vector<NamedTensor> state;

  static constexpr const char* kType = "save";
  static void fields(auto& self, auto&& visit) { visit("state", self.state); }
};

struct Best {
  int64_t epoch;
  std::optional<double> accuracy;

  static void fields(auto& self, auto&& visit) {
    visit("epoch", self.epoch);
    visit("accuracy", self.accuracy);
  }
};

struct TrainerResult {
  bool stopped = false;
  int64_t epochs = 0;
  std::optional<Best> best;
  std::optional<Evaluation> test;
  /// The best epoch's network; not on the first rank, which gets it with its events.
  std::optional<std::vector<NamedTensor>> network;

  static void fields(auto& self, auto&& visit) {
    visit("stopped", self.stopped);
    visit("epochs", self.epochs);
    visit("best", self.best);
    visit("test", self.test);
    visit("network", self.network);
  }
};

/// Receives a trainer's events; with several ranks, the first's. on_epoch and on_save return when their data is
/// on disk.
class Listener : public Interface {
 public:
  /// If many steps wait to be delivered, the oldest may be dropped.
  virtual void on_step(const StepEvent& event) = 0;
  /// A step of try_rates: none is dropped.
  virtual void on_trial(const StepEvent& event) = 0;
  virtual void on_epoch(EpochEvent event) = 0;
  virtual void on_save(SaveEvent event) = 0;
  /// Checks whether the run was asked to end.
  [[nodiscard]] virtual bool stopped() const = 0;
};

}  // namespace l2t::run
