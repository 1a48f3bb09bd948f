#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "native/core/parameters.h"
#include "native/run/evaluation.h"
#include "native/transfer/pairs.h"

/// A trainer's events; src/native/contract.ts documents each field.
namespace l2t::run {

struct StepEvent {
  int64_t epoch;
  int64_t step;
  int64_t steps;
  double loss_org;
  std::optional<double> loss_matching;
  std::optional<double> loss_attention;
  std::optional<double> loss_distillation;
  std::optional<double> meta_objective;
};

struct PairMetrics {
  transfer::Pair pair;
  std::optional<double> lambda_mean;
  std::optional<double> lambda_std;
  std::optional<double> weight_entropy;
};

struct EpochMetrics {
  int64_t epoch = 0;
  double lr = 0;
  double loss_org = 0;
  std::optional<double> loss_matching;
  std::optional<double> loss_attention;
  std::optional<double> loss_distillation;
  std::optional<double> meta_objective;
  std::optional<double> grad_phi;
  double train_accuracy = 0;
  std::optional<double> validation_accuracy;
  std::optional<double> validation_loss;
  std::vector<PairMetrics> pairs;
};

struct EpochEvent {
  EpochMetrics metrics;
  double seconds;
  int64_t steps;
  double images_per_second;
  bool best;
  std::vector<NamedTensor> network;
  std::vector<NamedTensor> state;
};

struct Best {
  int64_t epoch;
  std::optional<double> accuracy;
};

struct RunResult {
  bool stopped = false;
  std::optional<Best> best;
  std::optional<Evaluation> test;
};

/// Receives a trainer's events. on_epoch and on_save return when their data is on disk.
class Listener {
 public:
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener() = default;
  /// If many steps wait to be delivered, the oldest may be dropped.
  virtual void on_step(const StepEvent& event) = 0;
  /// A step of try_rates: none is dropped.
  virtual void on_trial(const StepEvent& event) = 0;
  virtual void on_epoch(EpochEvent event) = 0;
  virtual void on_save(std::vector<NamedTensor> state) = 0;
  /// Whether the run was asked to end.
  [[nodiscard]] virtual bool stopped() const = 0;
};

}  // namespace l2t::run
