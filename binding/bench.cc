#include "binding/bench.h"

#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scalar_tensor.h>

#include "binding/marshal.h"
#include "binding/worker.h"
#include "native/backends/backend.h"
#include "native/core/device.h"
#include "native/core/phases.h"
#include "native/core/threads.h"
#include "native/nets/initialise.h"
#include "native/run/captured_step.h"

namespace l2t::binding {
namespace {

std::unique_ptr<run::Learner> make_learner(const BenchJob& job, const at::TensorOptions& options) {
  const auto& [network, pairs] = job.source;
  // Timing does not need trained weights.
  auto weights = nets::initial_weights(nets::make_network(network), /*seed=*/1);
  const std::vector<run::SourceConfig> sources{{network, pairs, std::move(weights), job.source_size, {}}};
  auto learner = std::make_unique<run::Learner>(job.hyperparameters, job.target, job.size, sources, options,
                                                /*observe=*/false);
  learner->initialise(/*seed=*/1);
  learner->start();
  return learner;
}

/// A batch, channels last.
at::Tensor random_images(const BenchJob& job, int64_t side, const at::TensorOptions& options) {
  return at::randn({job.batch, 3, side, side}, options).contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

struct Bench::Subject {
  Subject(const BenchJob& job, const at::TensorOptions& options)
      : threads(job.threads),
        phases(options.device()),
        learner(make_learner(job, options)),
        x(random_images(job, job.size, options)),
        source_x(job.source_size == job.size ? x : random_images(job, job.source_size, options)),
        y(at::randint(job.target.classes, {job.batch}, options.dtype(at::kLong))),
        lr(at::scalar_tensor(job.lr, options.dtype(at::kDouble))),
        step(backends::backend_for({options}).graphs(options.device()),
             [this](auto /*kind*/, const run::CapturedStep::Inputs& inputs) {
               const run::StepImages images{inputs[2], inputs[0], x.size(0)};
               return learner->iterate(images, {inputs.back()}, inputs[1]).real.losses.front().second;
             }) {}

  std::vector<std::pair<std::string, double>> iterate() {
    learner->record_phases(&phases);
    phases.start();
    learner->iterate({x, y, x.size(0)}, {source_x}, lr);
    return phases.seconds();
  }

  GraphTiming iterate_as_graph() {
    // A graph has no phases: it is one launch.
    learner->record_phases(nullptr);
    phases.start();
    run::CapturedStep::Inputs inputs{y, lr, x};
    if (!source_x.is_same(x)) inputs.push_back(source_x);
    step.run(run::CapturedStep::Kind::kMeta, inputs);
    phases.mark("iteration");
    return {phases.seconds().front().second, step.launches()};
  }

  int threads;
  Phases phases;
  std::unique_ptr<run::Learner> learner;
  at::Tensor x;
  at::Tensor source_x;
  at::Tensor y;
  at::Tensor lr;
  run::CapturedStep step;
};

Napi::Function Bench::constructor(Napi::Env env) {
  return DefineClass(
      env, "Bench",
      {InstanceMethod<&Bench::iterate>("iterate"), InstanceMethod<&Bench::iterate_as_graph>("iterateAsGraph")});
}

Bench::Bench(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Bench>(info) {
  guarded(info.Env(), [&] {
    const auto job = read_job<BenchJob>(info[0]);
    const auto options = at::TensorOptions().dtype(at::kFloat).device(choose_device(job.device).device);
    subject_ = std::make_shared<Subject>(job, options);
  });
}

Napi::Value Bench::iterate(const Napi::CallbackInfo& info) {
  return in_background(info.Env(), [subject = subject_] {
    take_threads(subject->threads);
    return subject->iterate();
  });
}

Napi::Value Bench::iterate_as_graph(const Napi::CallbackInfo& info) {
  return in_background(info.Env(), [subject = subject_] {
    take_threads(subject->threads);
    return subject->iterate_as_graph();
  });
}

}  // namespace l2t::binding
