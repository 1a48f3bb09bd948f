// Which of the source's maps an iteration resizes. `resized METHOD ENGINE CONVOLUTION` trains a narrow ResNet-18 at 224
// pixels from a ResNet-34 with all pairs, and prints the sides of the maps that it resized, as a JSON list.
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <ATen/record_function.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "native/core/threads.h"
#include "native/nets/initialise.h"
#include "native/run/learner.h"
#include "native/transfer/pairs.h"

namespace {

using namespace l2t;

constexpr int64_t kSize = 224;
constexpr double kWidth = 0.25;

std::vector<int64_t>& sides() {
  static std::vector<int64_t> all;
  return all;
}

void note(const at::RecordFunction& call, at::ObserverContext* /*context*/) {
  if (std::strcmp(call.name(), "aten::upsample_bilinear2d") != 0) return;
  sides().push_back(call.outputs().front().toTensor().size(2));
}

std::unique_ptr<run::Learner> make_learner(const std::string& method, run::EngineKind engine,
                                           backends::Convolution convolution) {
  const auto target = nets::NetworkSpec{"resnet18", 4, kWidth};
  run::SourceConfig source{{"resnet34", 5, kWidth}, {}, {}, kSize, {}};
  const auto network = nets::make_network(source.network);
  source.weights = nets::initial_weights(network, /*seed=*/1);
  source.pairs = transfer::resolve_pairs(network, kSize, nets::make_network(target), kSize, "all-to-all");
  run::Hyperparameters hyperparameters{};
  hyperparameters.method = method;
  hyperparameters.engine = engine;
  hyperparameters.convolution = convolution;
  hyperparameters.settings = {{"momentum", 0.9}, {"weightDecay", 1e-4}, {"labelSmoothing", 0}};
  if (method == "at") {
    hyperparameters.settings["attentionWeight"] = 1000;
  } else {
    hyperparameters.settings["beta"] = 0.5;
  }
  auto learner = std::make_unique<run::Learner>(hyperparameters, target, kSize, std::vector{source},
                                                at::TensorOptions(at::kCPU).dtype(at::kFloat), /*observe=*/false);
  learner->initialise(/*seed=*/5);
  learner->start();
  return learner;
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) return 2;
  set_threads(1);
  const auto engine = named<run::EngineKind>(words[2]);
  const auto convolution = named<backends::Convolution>(words[3]);
  if (!engine || !convolution) return 2;
  const auto learner = make_learner(words[1], *engine, *convolution);
  const auto x = at::randn({2, 3, kSize, kSize}, at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
  const auto y = at::zeros({2}, at::kLong);
  at::addGlobalCallback(at::RecordFunctionCallback(nullptr, note).needsOutputs(true));
  learner->iterate({x, y, 2}, {x}, at::full({}, 1e-3, at::kDouble), {});
  std::printf("[");
  for (size_t i = 0; i < sides().size(); ++i) {
    std::printf("%s%lld", i == 0 ? "" : ",", static_cast<long long>(sides()[i]));
  }
  std::printf("]\n");
  return 0;
}
