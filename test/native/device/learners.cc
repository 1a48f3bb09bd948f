#include "test/native/device/learners.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include "native/nets/initialise.h"
#include "native/transfer/pairs.h"
#include "test/native/methods.h"

namespace l2t::test {
namespace {

constexpr double kWidth = 0.125;
constexpr double kRate = 0.01;

/// Distillation of the target's own logits needs a source with the same classes, here in another order.
bool needs_classes(const Training& training) { return training.method.starts_with("kd"); }

int64_t sources_of(const Training& training) { return needs_of(training.method).source ? training.sources : 0; }

/// The second source has other classes than the first, and reads larger images.
run::SourceConfig source(const Training& training, int64_t k) {
  const int64_t classes = k > 0 ? 7 : needs_classes(training) ? kClasses : 5;
  run::SourceConfig config{{"resnet20", classes, 0.25}, {}, {}, training.size * (k + 1), {}};
  const auto network = nets::make_network(config.network);
  config.weights = fixed_weights(network, /*seed=*/k + 1);
  if (!needs_of(training.method).pairs) return config;
  const auto target = nets::make_network({training.target, kClasses, kWidth});
  config.pairs = transfer::resolve_pairs(network, config.size, target, training.size, "2-0,2-1,5-1,8-2");
  return config;
}

}  // namespace

std::vector<NamedTensor> fixed_weights(const nets::Network& network, uint64_t seed) {
  auto weights = nets::initial_weights(network, seed);
  const auto generator = at::detail::createCPUGenerator(seed);
  for (auto& [name, tensor] : weights) {
    if (tensor.dim() == 1) tensor += at::rand(tensor.sizes(), generator, at::kFloat) * 0.1;
  }
  return weights;
}

std::unique_ptr<run::Learner> make_learner(const Training& training, run::EngineKind engine,
                                           backends::Convolution convolution, c10::Device device) {
  std::vector<run::SourceConfig> sources;
  for (int64_t k = 0; k < sources_of(training); ++k) sources.push_back(source(training, k));
  std::map<std::string, double> settings{{"metaLr", 0.001}};
  if (training.beyond_paper) settings.insert({{"labelSmoothing", 0.1}, {"metaClip", 0.5}, {"wLrRatio", 0.5}});
  auto chosen = hyperparameters(training.method, settings);
  chosen.engine = engine;
  chosen.convolution = convolution;
  if (needs_classes(training)) chosen.source_classes = {2, 0, 3, 1};
  if (training.beyond_paper) {
    chosen.class_weights = {0.5, 1.5, 0.8, 1.2};
    chosen.lambda_init = transfer::LambdaInit::kEqual;
  }
  const bool fused =
      engine == run::EngineKind::kNative && convolution == backends::Convolution::kAuto && !device.is_cpu();
  if (training.bf16 && fused) chosen.precision = backends::Precision::kBf16;
  auto learner = std::make_unique<run::Learner>(chosen, nets::NetworkSpec{training.target, kClasses, kWidth},
                                                training.size, sources, at::TensorOptions(device).dtype(training.type),
                                                /*observe=*/false);
  learner->initialise(/*seed=*/5);
  learner->start();
  return learner;
}

TrainingBatch batch_of(const Training& training, int64_t k, c10::Device device) {
  const int64_t labelled = k % 4 == 3 ? 3 : 4;
  const int64_t kinds = training.beyond_paper ? 2 : 1;
  const auto generator = at::detail::createCPUGenerator(/*seed=*/k);
  const auto draw = [&](int64_t size) {
    const auto x = at::randn({labelled * kinds, 3, size, size}, generator, at::kDouble);
    return x.to(training.type).contiguous(at::MemoryFormat::ChannelsLast).to(device);
  };
  TrainingBatch batch{draw(training.size), {}, {}, at::full({}, kRate, at::kDouble).to(device), {}};
  for (int64_t source = 0; source < sources_of(training); ++source) {
    batch.source_x.push_back(draw(training.size * (source + 1)));
  }
  batch.y = at::randint(kClasses, {labelled}, generator, at::kLong).to(device);
  if (training.beyond_paper) {
    const auto judge = draw(training.size);
    batch.judge = {judge, at::randint(kClasses, {labelled}, generator, at::kLong).to(device), labelled, kinds};
  }
  return batch;
}

run::Iteration iterate(run::Learner& learner, const TrainingBatch& batch) {
  const auto labelled = batch.y.size(0);
  return learner.iterate({batch.x, batch.y, labelled, batch.x.size(0) / labelled}, batch.source_x, batch.lr,
                         batch.judge);
}

}  // namespace l2t::test
