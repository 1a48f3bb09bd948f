#include "binding/bench.h"

#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <cmath>

#include "binding/conversions.h"
#include "binding/worker.h"
#include "native/core/device.h"
#include "native/core/memory.h"
#include "native/core/threads.h"
#include "native/kernels/machine.h"
#include "native/nets/initialise.h"

namespace l2t::binding {
namespace {

/// A source with initial weights: timing does not need trained ones.
run::SourceConfig initial_source(const nets::NetworkSpec& spec, std::vector<std::pair<int, int>> pairs, int64_t size) {
  const auto network = nets::make_network(spec);
  const auto parameters = make_parameters(network.parameters, at::kFloat);
  nets::initialise(network.initialisation, parameters.views, /*seed=*/1);
  const auto buffers = nets::make_buffers(network, at::kFloat);
  std::vector<NamedTensor> weights;
  for (size_t i = 0; i < parameters.views.size(); ++i)
    weights.push_back({network.parameters[i].name, parameters.views[i]});
  for (size_t i = 0; i < buffers.size(); ++i) weights.push_back({network.buffers[i].name, buffers[i]});
  return {spec, std::move(pairs), std::move(weights), size, {}};
}

}  // namespace

struct Bench::Subject {
  int threads;
  double lr;
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
    if (!info[0].IsObject()) throw Error("INVALID_OPTION", "A job is an object.");
    const auto job = info[0].As<Napi::Object>();
    const auto hyperparameters = to_hyperparameters(job);
    const auto target = to_network_spec(get_object(job, "target"));
    const int64_t size = get_integer(job, "size", 1, 4096);
    const int64_t batch = get_integer(job, "batch", 1, 65536);
    const auto source = get_object(job, "source");
    const auto pairs = to_pairs(get_array(source, "pairs"));
    const auto options = at::TensorOptions().dtype(at::kFloat).device(choose_device(get_string(job, "device")).device);
    subject_ = std::make_shared<Subject>();
    subject_->threads = static_cast<int>(get_integer(job, "threads", 1, 1024));
    subject_->lr = hyperparameters.lr;
    subject_->learner = std::make_unique<run::Learner>(
        hyperparameters, target, size,
        std::vector<run::SourceConfig>{initial_source(to_network_spec(get_object(source, "network")), pairs, size)},
        options,
        /*observe=*/false);
    subject_->learner->initialise(/*seed=*/1);
    subject_->learner->measure(&subject_->phases);
    subject_->x = at::randn({batch, 3, size, size}, options).contiguous(at::MemoryFormat::ChannelsLast);
    subject_->y = at::randint(target.classes, {batch}, options.dtype(at::kLong));
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
          (void)iteration.real.loss_org.item<float>();
          subject->phases.mark("phi-step");
          return [phases = subject->phases.seconds()](Napi::Env env) {
            auto object = Napi::Object::New(env);
            for (const auto& [name, seconds] : phases) object.Set(name, seconds);
            return object;
          };
        });
  });
}

Napi::Value measure_machine(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const double number = to_number(info[0]);
    if (!(number >= 1 && number <= 1024) || number != std::floor(number)) {
      throw Error("INVALID_OPTION", "Threads are a whole number from 1 to 1024.");
    }
    const auto threads = static_cast<int>(number);
    return Worker::start(info.Env(), std::make_shared<Worker>(), {}, [threads](Worker& /*worker*/) -> MakeValue {
      take_threads(threads);
      const auto speed = kernels::measure_machine();
      return [speed](Napi::Env env) {
        auto object = Napi::Object::New(env);
        object.Set("gemmGflops", speed.gemm_gflops);
        object.Set("bandwidthGBs", speed.bandwidth_gbs);
        return object;
      };
    });
  });
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  const auto use = memory_use();
  auto object = Napi::Object::New(info.Env());
  object.Set("now", static_cast<double>(use.now));
  object.Set("peak", static_cast<double>(use.peak));
  return object;
}

}  // namespace l2t::binding
