// Two iterations of l2t-ww on the CPU, with a stopwatch around its backend and without. Prints one JSON object:
//   equal: whether θ, the momentum, φ and Adam's state have the same bits
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/tensor.h>

#include <cstdio>
#include <memory>

#include "native/backends/timed.h"
#include "native/nets/initialise.h"
#include "native/run/learner.h"

namespace {

using namespace l2t;

constexpr int64_t kImages = 3;
constexpr int64_t kSide = 32;

std::vector<at::Tensor> state_after(const run::Decorate& decorate) {
  const auto options = at::TensorOptions(at::kFloat);
  const nets::NetworkSpec network{"resnet20", 5, 0.5};
  const run::SourceConfig source{
      network, {{2, 0}, {5, 1}, {8, 2}}, nets::initial_weights(nets::make_network(network), 1), kSide, {}};
  run::Hyperparameters hyperparameters{};
  hyperparameters.method = "l2t-ww";
  hyperparameters.settings = {{"momentum", 0.9}, {"weightDecay", 1e-4},     {"beta", 0.5},    {"innerSteps", 2},
                              {"metaLr", 1e-4},  {"metaWeightDecay", 1e-4}, {"metaEvery", 1}, {"labelSmoothing", 0},
                              {"metaClip", 0.5}, {"wLrRatio", 0.5}};
  run::Learner learner(hyperparameters, {"vgg9_bn", 4, 0.25}, kSide, {source}, options, /*observe=*/false, {},
                       decorate);
  learner.initialise(/*seed=*/1);
  learner.start();
  const auto x = at::linspace(-1, 1, kImages * 3 * kSide * kSide, options).sin_().view({kImages, 3, kSide, kSide});
  const auto y = at::tensor({0, 1, 2}, at::kLong);
  const auto lr = at::full({}, 0.01, at::kDouble);
  for (int i = 0; i < 2; ++i) learner.iterate({x, y, kImages}, {x}, lr);
  std::vector<at::Tensor> state;
  for (const auto& [name, tensor] : learner.tensors()) state.push_back(tensor.clone());
  return state;
}

}  // namespace

int main() {
  std::unique_ptr<backends::Timed> timed;
  const auto plain = state_after({});
  const auto watched = state_after([&timed](const backends::Backend& backend) -> const backends::Backend& {
    timed = std::make_unique<backends::Timed>(backend);
    return *timed;
  });
  bool equal = plain.size() == watched.size();
  for (size_t i = 0; equal && i < plain.size(); ++i) equal = at::equal(plain[i], watched[i]);
  std::printf("{\"equal\": %s}\n", equal ? "true" : "false");
  return 0;
}
