// Checks which of the source's maps an iteration resizes.
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <ATen/record_function.h>

#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <tuple>

#include "native/nets/initialise.h"
#include "native/run/learner.h"
#include "native/transfer/pairs.h"
#include "test/native/check.h"
#include "test/native/methods.h"

namespace l2t::test {
namespace {

TEST_SUITE_BEGIN("run");

/// The sides of maps, the largest first.
using Sides = std::multiset<int64_t, std::greater<>>;

Sides& noted() {
  static Sides sides;
  return sides;
}

void note(const at::RecordFunction& call, at::ObserverContext* /*context*/) {
  if (std::strcmp(call.name(), "aten::upsample_bilinear2d") != 0) return;
  noted().insert(call.outputs().front().toTensor().size(2));
}

/// The sides that an iteration resizes maps to, where a narrow ResNet-18 at 224 pixels learns from a ResNet-34 with all
/// pairs.
Sides resized_sides(const std::string& method, run::EngineKind engine, backends::Convolution convolution) {
  constexpr int64_t kSize = 224;
  constexpr double kWidth = 0.25;
  const nets::NetworkSpec target{"resnet18", 4, kWidth};
  run::SourceConfig source{{"resnet34", 5, kWidth}, {}, {}, kSize, {}};
  const auto network = nets::make_network(source.network);
  source.weights = nets::initial_weights(network, /*seed=*/1);
  source.pairs = transfer::resolve_pairs(network, kSize, nets::make_network(target), kSize, "all-to-all");
  auto chosen = hyperparameters(method);
  chosen.engine = engine;
  chosen.convolution = convolution;
  run::Learner learner(chosen, target, kSize, {source}, at::kFloat, /*observe=*/false);
  learner.initialise(/*seed=*/5);
  learner.start();
  const auto x = at::randn({2, 3, kSize, kSize}).contiguous(at::MemoryFormat::ChannelsLast);
  noted().clear();
  const auto handle = at::addGlobalCallback(at::RecordFunctionCallback(nullptr, note).needsOutputs(true));
  learner.iterate({x, at::zeros({2}, at::kLong), 2}, {x}, at::full({}, 1e-3, at::kDouble));
  at::removeCallback(handle);
  return noted();
}

std::string each_once(const Sides& sides) {
  std::string text;
  for (const auto side : std::set(sides.begin(), sides.end(), std::greater<>())) text += std::to_string(side) + ' ';
  return text;
}

using backends::Convolution;
using run::EngineKind;

// The target's maps have sides of 56, 28, 14 and 7; at the last two the direct form is cheaper.
TEST_CASE("the largest of the target's maps is matched without a map of its size") {
  const auto sides = resized_sides("fm", EngineKind::kNative, Convolution::kAuto);
  CHECK(each_once(sides) == "28 14 7 ");
  // The source's map of 56×56 alone, which is reduced before it is matched there.
  CHECK(sides.count(28) == 1);
}

TEST_CASE("attention, the direct form and the oracle read maps of each of the target's sizes") {
  for (const auto& [method, engine, convolution] : {std::tuple{"at", EngineKind::kNative, Convolution::kAuto},
                                                    {"fm", EngineKind::kNative, Convolution::kDirect},
                                                    {"fm", EngineKind::kAutograd, Convolution::kAuto}}) {
    INFO(std::string(method));
    CHECK(each_once(resized_sides(method, engine, convolution)) == "56 28 14 7 ");
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::test
