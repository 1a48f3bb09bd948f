// An iteration on LibTorch's `meta` device, whose tensors have no values: code that reads a value on the host, or
// branches on one, throws.
#include <ATen/ops/empty.h>

#include <string>
#include <utility>

#include "native/run/learner.h"
#include "test/native/check.h"
#include "test/native/methods.h"

namespace l2t::test {
namespace {

TEST_SUITE_BEGIN("run");

run::SourceConfig source(int64_t size, const at::TensorOptions& options) {
  run::SourceConfig config{{"resnet20", 5, 0.5}, {{2, 0}, {2, 1}, {5, 1}, {8, 2}}, {}, size, {}};
  const auto network = nets::make_network(config.network);
  for (const auto* specs : {&network.parameters, &network.buffers}) {
    for (const auto& spec : *specs) config.weights.push_back({spec.name, at::empty(spec.shape, options)});
  }
  return config;
}

/// Two iterations of l2t-ww; the meta-objective of the last.
at::Tensor iterate(const std::string& target, int64_t size) {
  const auto options = at::TensorOptions(at::kMeta).dtype(at::kFloat);
  run::Learner learner(hyperparameters("l2t-ww", {{"metaClip", 0.5}, {"wLrRatio", 0.5}}), {target, 4, 0.25}, size,
                       {source(size, options)}, options, /*observe=*/false);
  const auto x = at::empty({3, 3, size, size}, options, at::MemoryFormat::ChannelsLast);
  const auto y = at::empty({3}, options.dtype(at::kLong));
  const auto lr = at::empty({}, options.dtype(at::kDouble));
  learner.iterate({x, y, x.size(0)}, {x}, lr);
  return learner.iterate({x, y, x.size(0)}, {x}, lr).meta.value().objective;
}

TEST_CASE("an iteration never reads a value on the host") {
  for (const auto& [target, size] : {std::pair{"vgg9_bn", 32},
                                     {"resnet20", 32},
                                     {"resnet20_a", 32},
                                     {"resnet18", 64},
                                     {"resnet50", 64},
                                     {"vgg11_bn", 64}}) {
    INFO(std::string(target));
    CHECK_NOTHROW(iterate(target, size));
  }
}

TEST_CASE("a read of the loss on the host is seen") {
  const auto objective = iterate("vgg9_bn", 32);
  CHECK_THROWS_WITH(objective.item(), doctest::Contains("_local_scalar_dense"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::test
