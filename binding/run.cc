#include "binding/run.h"

#include <deque>
#include <mutex>

#include "binding/marshal.h"
#include "native/core/error.h"

namespace l2t::binding {
namespace {

/// Passes a trainer's events to the JavaScript callback. A callback that throws ends the run, whose promise is rejected
/// with that error.
class EventListener final : public run::Listener {
 public:
  EventListener(Worker& worker, Napi::FunctionReference callback) : worker_(worker), callback_(std::move(callback)) {}

  void on_step(const run::StepEvent& event) override {
    {
      const std::scoped_lock lock(steps_mutex_);
      steps_.push_back(event);
      if (steps_.size() > kMostSteps) {
        // The event loop is blocked: the call that is queued for the dropped step delivers the next one.
        steps_.pop_front();
        return;
      }
    }
    worker_.post([this](Napi::Env env) { deliver(env, [&] { return write(env, next_step()); }); });
  }
  void on_trial(const run::StepEvent& event) override { worker_.post(delivery(event)); }
  void on_epoch(run::EpochEvent event) override { worker_.post_and_wait(delivery(std::move(event))); }
  void on_save(run::SaveEvent event) override { worker_.post_and_wait(delivery(std::move(event))); }
  [[nodiscard]] bool stopped() const override { return worker_.stopped(); }

  // On the JavaScript thread:

  /// Calls the callback with an event; after the callback has thrown, it only lets the run end.
  void deliver(Napi::Env env, const std::function<Napi::Value()>& event) {
    if (!thrown_.IsEmpty()) return worker_.resume();
    try {
      guarded(env, [&] { callback_.Call({event()}); });
    } catch (const Napi::Error& error) {
      thrown_ = error;
      worker_.stop();
      worker_.resume();
    }
  }

  /// Returns what the callback threw, only the first time; empty where it did not throw.
  [[nodiscard]] Napi::Error take_thrown() { return std::exchange(thrown_, Napi::Error()); }

  /// After the last event. Drops the callback: it usually refers to the run, a cycle that could not be collected.
  void end() {
    (void)take_thrown();
    callback_.Reset();
  }

 private:
  /// How many steps may wait for the event loop.
  static constexpr size_t kMostSteps = 256;

  template <class Event>
  std::function<void(Napi::Env)> delivery(Event event) {
    return [this, event = std::move(event)](Napi::Env env) { deliver(env, [&] { return write(env, event); }); };
  }

  run::StepEvent next_step() {
    const std::scoped_lock lock(steps_mutex_);
    const auto event = steps_.front();
    steps_.pop_front();
    return event;
  }

  Worker& worker_;
  std::mutex steps_mutex_;
  std::deque<run::StepEvent> steps_;
  Napi::FunctionReference callback_;
  Napi::Error thrown_;
};

}  // namespace

Napi::Function Run::constructor(Napi::Env env) {
  return DefineClass(env, "Run",
                     {InstanceMethod<&Run::start>("start"), InstanceMethod<&Run::try_rates>("tryRates"),
                      InstanceMethod<&Run::stop>("stop"), InstanceMethod<&Run::saved>("saved"),
                      InstanceMethod<&Run::answer>("answer")});
}

Run::Run(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Run>(info) {
  guarded(info.Env(), [&] {
    if (info.Length() < 3 || !info[2].IsFunction()) {
      throw Error("INVALID_OPTION", "Run wants a spec, materials, and a function for its events.");
    }
    read<run::RunSpec>(info[0], Location{"", &keep_}, config_);
    read<run::RunMaterials>(info[1], Location{"", &keep_}, config_);
    on_event_ = Napi::Persistent(info[2].As<Napi::Function>());
  });
}

Napi::Value Run::start(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return on_worker(info.Env(), [](run::Trainer& trainer) -> MakeValue {
      const auto result = trainer.run();
      return [result](Napi::Env env) { return write(env, result); };
    });
  });
}

Napi::Value Run::try_rates(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto rates = argument<std::vector<double>>(info[0], "rates", Within{1e-30, 1e30});
    if (rates.empty()) throw Error("INVALID_OPTION", "rates must be a list of learning rates.");
    return on_worker(info.Env(), [rates](run::Trainer& trainer) -> MakeValue {
      trainer.try_rates(rates);
      return [](Napi::Env env) { return env.Undefined(); };
    });
  });
}

/// Runs `body` with a trainer on the worker's thread. If a callback throws, its error rejects the promise.
Napi::Value Run::on_worker(Napi::Env env, const std::function<MakeValue(run::Trainer&)>& body) {
  if (std::exchange(started_, true)) throw Error("INVALID_OPTION", "This run was started before.");
  Ref();  // until the promise settles: events call back into this object
  // Queued step events use the listener after the body has returned, so the last call holds it, too.
  const auto listener = std::make_shared<EventListener>(*worker_, std::move(on_event_));
  const auto tasks = std::make_shared<JavascriptTasks>(
      *worker_, [listener](Napi::Env now, const auto& event) { listener->deliver(now, event); });
  tasks_ = tasks;
  const auto config = std::make_shared<run::RunConfig>(std::move(config_));
  return Worker::start(
      env, worker_, std::move(keep_),
      [listener, tasks, config, body]() -> MakeValue {
        run::Trainer trainer(std::move(*config), *listener, tasks.get(), tasks.get());
        return [make = body(trainer), listener, tasks](Napi::Env now) {
          const auto thrown = listener->take_thrown();
          if (!thrown.IsEmpty()) throw thrown;
          return make(now);
        };
      },
      [this, listener] {
        listener->end();
        tasks_.reset();
        Unref();
      });
}

void Run::stop(const Napi::CallbackInfo& /*info*/) { worker_->stop(); }

void Run::answer(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    if (!started_ || !info[0].IsNumber())
      throw Error("INVALID_OPTION", "answer() answers a 'decode' or a 'maps' event.");
    // Answers that were requested ahead may arrive after the end.
    if (tasks_) tasks_->answer(info[0].As<Napi::Number>().Int64Value(), info[1]);
  });
}

void Run::saved(const Napi::CallbackInfo& /*info*/) { worker_->resume(); }

}  // namespace l2t::binding
