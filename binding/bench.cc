#include "binding/bench.h"

#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scalar_tensor.h>

#include "binding/marshal.h"
#include "binding/worker.h"
#include "native/backends/cpu/machine.h"
#include "native/core/device.h"
#include "native/core/memory.h"
#include "native/core/threads.h"
#include "native/nets/initialise.h"

namespace l2t::binding {

struct Bench::Subject {
  int threads;
  at::Tensor lr;
  Phases phases;
  std::unique_ptr<run::Learner> learner;
  at::Tensor x;
  at::Tensor y;
};

Napi::Function Bench::constructor(Napi::Env env) {
  return DefineClass(env, "Bench", {InstanceMethod<&Bench::iterate>("iterate")});
}

Bench::Bench(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Bench>(info) {
  guarded(info.Env(), [&] {
    const auto job = read_job<BenchJob>(info[0]);
    const auto size = job.size;
    const auto options = at::TensorOptions().dtype(at::kFloat).device(choose_device(job.device).device);
    subject_ = std::make_shared<Subject>();
    subject_->threads = job.threads;
    subject_->lr = at::scalar_tensor(job.lr, options.dtype(at::kDouble));
    const auto& [network, pairs] = job.source;
    // Timing does not need trained weights.
    auto weights = nets::initial_weights(nets::make_network(network), /*seed=*/1);
    const std::vector<run::SourceConfig> sources{{network, pairs, std::move(weights), size, {}}};
    subject_->learner = std::make_unique<run::Learner>(job.hyperparameters, job.target, size, sources, options,
                                                       /*observe=*/false);
    subject_->learner->initialise(/*seed=*/1);
    subject_->learner->start();
    subject_->learner->measure(&subject_->phases);
    subject_->x = at::randn({job.batch, 3, size, size}, options).contiguous(at::MemoryFormat::ChannelsLast);
    subject_->y = at::randint(job.target.classes, {job.batch}, options.dtype(at::kLong));
  });
}

Napi::Value Bench::iterate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    return Worker::start(
        info.Env(), std::make_shared<Worker>(), {}, [subject = subject_](Worker& /*worker*/) -> MakeValue {
          take_threads(subject->threads);
          subject->phases.start();
          const auto iteration = subject->learner->iterate(subject->x, {subject->x}, subject->y, subject->lr);
          // Reading a result waits until the device has computed it.
          (void)iteration.real.losses.front().second.item<float>();
          subject->phases.mark("phi-step");
          return [phases = subject->phases.seconds()](Napi::Env env) { return write(env, phases); };
        });
  });
}

Napi::Value measure_machine(const Napi::CallbackInfo& info) {
  const auto threads = argument<int>(info[0], "threads", kThreads);
  return Worker::start(info.Env(), std::make_shared<Worker>(), {}, [threads](Worker& /*worker*/) -> MakeValue {
    take_threads(threads);
    const auto speed = backends::cpu::measure_machine();
    return [speed](Napi::Env env) { return write(env, speed); };
  });
}

Napi::Value memory(const Napi::CallbackInfo& info) { return write(info.Env(), memory_use()); }

}  // namespace l2t::binding
