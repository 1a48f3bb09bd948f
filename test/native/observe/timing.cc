#include <ATen/ops/arange.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/scalar_tensor.h>

#include <algorithm>
#include <chrono>
#include <limits>

#include "binding/bench.h"
#include "binding/marshal.h"
#include "binding/worker.h"
#include "native/core/group.h"
#include "native/core/threads.h"
#include "native/nets/initialise.h"
#include "test/native/observe/functions.h"
#include "tools/timing/layers.h"

namespace l2t::binding {
namespace {

/// Iterations of a case of `bench`, in ways that `bench` does not time them. On the CPU.
struct TimingJob {
  BenchJob bench;
  int rounds;                        // iterations, after one that warms up
  bool layers;                       // times each layer, too
  std::optional<GroupConfig> group;  // of the processes that share each batch

  static void fields(auto& self, auto&& visit) {
    BenchJob::fields(self.bench, visit);
    visit("rounds", self.rounds, Whole{1, 1000});
    visit("layers", self.layers);
    visit("group", self.group);
  }
};

struct Timings {
  double seconds;  // of the fastest iteration
  std::vector<backends::Layer> layers;
  Reducer::Traffic traffic;        // of an iteration: what this process sends to the others
  std::vector<NamedTensor> state;  // after the last iteration

  static void fields(auto& self, auto&& visit) {
    visit("seconds", self.seconds);
    visit("layers", self.layers);
    visit("traffic", self.traffic);
    visit("state", self.state);
  }
};

/// The same each time, so that states can be compared. As many as this rank has of a batch.
at::Tensor images(int64_t count, int64_t side) {
  return at::linspace(-1, 1, count * 3 * side * side, at::kFloat)
      .mul_(1e3)
      .sin_()
      .view({count, 3, side, side})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

Timings measure(const TimingJob& job) {
  const auto& bench = job.bench;
  take_threads(bench.threads);
  const std::shared_ptr<const Reducer> group = job.group ? join_group(*job.group) : nullptr;
  const auto& reducer = group ? *group : single_process();
  std::unique_ptr<backends::TimedBackend> timed;
  run::Decorate decorate;
  if (job.layers) {
    decorate = [&timed](const backends::Backend& inner) -> const backends::Backend& {
      timed = backends::timed(inner);
      return *timed;
    };
  }
  const auto& [network, pairs] = bench.source;
  const std::vector<run::SourceConfig> sources{
      {network, pairs, nets::initial_weights(nets::make_network(network), /*seed=*/1), bench.source_size, {}}};
  run::Learner learner(bench.hyperparameters, bench.target, bench.size, sources, at::kFloat, /*observe=*/false,
                       {&reducer}, decorate);
  learner.initialise(/*seed=*/1);
  learner.start();

  const int64_t count = reducer.share(bench.batch).count();
  const auto x = images(count, bench.size);
  const auto source_x = images(count, bench.source_size);
  const auto y = at::arange(count, at::kLong).remainder_(bench.target.classes);
  const auto lr = at::scalar_tensor(bench.lr, at::kDouble);
  Timings timings{std::numeric_limits<double>::infinity(), {}, {}, {}};
  for (int round = 0; round <= job.rounds; ++round) {
    const auto before = reducer.traffic();
    const auto start = std::chrono::steady_clock::now();
    learner.iterate({x, y, bench.batch}, {source_x}, lr);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    if (round > 0) timings.seconds = std::min(timings.seconds, taken.count());
    if (timed) timed->lap();
    timings.traffic = {reducer.traffic().calls - before.calls, reducer.traffic().bytes - before.bytes};
  }
  if (timed) timings.layers = timed->layers();
  for (const auto& [name, tensor] : learner.tensors()) timings.state.push_back({name, tensor.clone().contiguous()});
  return timings;
}

}  // namespace

Napi::Value time_iterations(const Napi::CallbackInfo& info) {
  return in_background(info.Env(), [job = read_job<TimingJob>(info[0])] { return measure(job); });
}

}  // namespace l2t::binding
