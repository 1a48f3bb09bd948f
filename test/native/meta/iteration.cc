// Two iterations of l2t-ww on LibTorch's `meta` device, whose tensors have no values: code that reads a value on the
// host, or branches on one, throws. `iteration TARGET SIZE [read]`: `read` reads the meta-objective, which must throw.
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "native/run/learner.h"

namespace {

using namespace l2t;

run::SourceConfig source(int64_t size, const at::TensorOptions& options) {
  run::SourceConfig config{{"resnet20", 5, 0.5}, {{2, 0}, {2, 1}, {5, 1}, {8, 2}}, {}, size, {}};
  const auto network = nets::make_network(config.network);
  for (const auto* specs : {&network.parameters, &network.buffers}) {
    for (const auto& spec : *specs) config.weights.push_back({spec.name, at::empty(spec.shape, options)});
  }
  return config;
}

void iterate(const std::string& target, int64_t size, bool read) {
  const auto options = at::TensorOptions(at::kMeta).dtype(at::kFloat);
  run::Hyperparameters hyperparameters{};
  hyperparameters.method = "l2t-ww";
  hyperparameters.settings = {{"momentum", 0.9}, {"weightDecay", 1e-4},     {"beta", 0.5},    {"innerSteps", 2},
                              {"metaLr", 1e-4},  {"metaWeightDecay", 1e-4}, {"metaEvery", 1}, {"labelSmoothing", 0},
                              {"metaClip", 0.5}, {"wLrRatio", 0.5}};
  run::Learner learner(hyperparameters, {target, 4, 0.25}, size, {source(size, options)}, options, /*observe=*/false);
  const auto x = at::empty({3, 3, size, size}, options, at::MemoryFormat::ChannelsLast);
  const auto y = at::empty({3}, options.dtype(at::kLong));
  const auto lr = at::empty({}, options.dtype(at::kDouble));
  for (int i = 0; i < 2; ++i) {
    const auto result = learner.iterate({x, y, x.size(0)}, {x}, lr);
    if (read && result.meta) std::printf("%g\n", result.meta->objective.item().toDouble());
  }
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return 2;
  try {
    iterate(words[1], std::strtoll(words[2], nullptr, 10), count > 3);
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "%s\n", error.what_without_backtrace());
    return 1;
  }
  return 0;
}
