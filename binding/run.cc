#include "binding/run.h"

#include <deque>
#include <mutex>

#include "native/core/error.h"

namespace l2t::binding {
namespace {

run::RunConfig to_run_config(const Napi::Object& job, KeptValues& keep) {
  run::RunConfig config{};
  config.hyperparameters = to_hyperparameters(job);
  config.target = to_network_spec(get_object(job, "target"));
  config.size = get_integer(job, "size", 1, 4096);
  config.normalisation = to_normalisation(get_object(job, "normalisation"));
  if (!job.Get("targetWeights").IsUndefined()) config.target_weights = to_tensors(get_array(job, "targetWeights"));
  const auto sources = get_array(job, "sources");
  for (uint32_t k = 0; k < sources.Length(); ++k) {
    const auto source = get_object(sources, k, "sources");
    config.sources.push_back({.network = to_network_spec(get_object(source, "network")),
                              .pairs = to_pairs(get_array(source, "pairs")),
                              .weights = to_tensors(get_array(source, "weights")),
                              .size = get_integer(source, "size", 1, 4096),
                              .normalisation = to_normalisation(get_object(source, "normalisation"))});
  }
  const auto images = [&](const char* key) -> std::optional<data::ImageSet> {
    if (job.Get(key).IsUndefined()) return std::nullopt;
    auto set = to_images(get_object(job, key), config.target.classes, keep);
    if (set.count() == 0)
      throw Error("INVALID_DATA", std::string("The ") + key + " set has no images: leave it out, or give some.");
    return set;
  };
  config.train = to_images(get_object(job, "train"), config.target.classes, keep);
  config.validation = images("validation");
  config.test = images("test");
  config.resized_crops = get_boolean(job, "resizedCrops");
  config.select_best = get_boolean(job, "selectBest");
  config.device = get_string(job, "device");
  config.threads = static_cast<int>(get_integer(job, "threads", 1, 1024));
  config.seed = get_integer(job, "seed", 0, 9007199254740991);
  config.epochs = get_integer(job, "epochs", 1, 1000000);
  config.batch = get_integer(job, "batch", 1, 1000000);
  config.evaluation_batch = get_integer(job, "evaluationBatch", 1, 1000000);
  config.save_every = get_number(job, "saveEvery");
  if (!job.Get("warmUp").IsUndefined()) config.warm_up = get_number(job, "warmUp");
  if (!job.Get("resume").IsUndefined()) {
    const auto resume = get_object(job, "resume");
    config.resume = run::Resume{to_tensors(get_array(resume, "state")), to_tensors(get_array(resume, "best"))};
  }
  return config;
}

void set_optional(Napi::Object object, const char* key, const std::optional<double>& value) {
  if (value) object.Set(key, *value);
}

Napi::Object from_step(Napi::Env env, const run::StepEvent& event) {
  auto object = Napi::Object::New(env);
  object.Set("type", "step");
  object.Set("epoch", static_cast<double>(event.epoch));
  object.Set("step", static_cast<double>(event.step));
  object.Set("steps", static_cast<double>(event.steps));
  object.Set("lossOrg", event.loss_org);
  set_optional(object, "lossMatching", event.loss_matching);
  set_optional(object, "lossAttention", event.loss_attention);
  set_optional(object, "lossDistillation", event.loss_distillation);
  set_optional(object, "metaObjective", event.meta_objective);
  return object;
}

Napi::Object from_metrics(Napi::Env env, const run::EpochMetrics& metrics) {
  auto object = Napi::Object::New(env);
  object.Set("epoch", static_cast<double>(metrics.epoch));
  object.Set("lr", metrics.lr);
  object.Set("lossOrg", metrics.loss_org);
  set_optional(object, "lossMatching", metrics.loss_matching);
  set_optional(object, "lossAttention", metrics.loss_attention);
  set_optional(object, "lossDistillation", metrics.loss_distillation);
  set_optional(object, "metaObjective", metrics.meta_objective);
  set_optional(object, "gradPhi", metrics.grad_phi);
  object.Set("trainAccuracy", metrics.train_accuracy);
  set_optional(object, "validationAccuracy", metrics.validation_accuracy);
  set_optional(object, "validationLoss", metrics.validation_loss);
  auto pairs = Napi::Array::New(env, metrics.pairs.size());
  for (uint32_t i = 0; i < metrics.pairs.size(); ++i) {
    const auto& [pair, lambda_mean, lambda_std, weight_entropy] = metrics.pairs[i];
    auto entry = Napi::Object::New(env);
    auto indices = Napi::Array::New(env, 2);
    indices.Set(0U, pair.source_feature);
    indices.Set(1U, pair.target_feature);
    entry.Set("source", pair.source);
    entry.Set("pair", indices);
    set_optional(entry, "lambdaMean", lambda_mean);
    set_optional(entry, "lambdaStd", lambda_std);
    set_optional(entry, "weightEntropy", weight_entropy);
    pairs.Set(i, entry);
  }
  object.Set("pairs", pairs);
  return object;
}

Napi::Object from_epoch(Napi::Env env, const run::EpochEvent& event) {
  auto object = Napi::Object::New(env);
  object.Set("type", "epoch");
  object.Set("metrics", from_metrics(env, event.metrics));
  object.Set("seconds", event.seconds);
  object.Set("steps", static_cast<double>(event.steps));
  object.Set("imagesPerSecond", event.images_per_second);
  object.Set("best", event.best);
  object.Set("network", from_tensors(env, event.network));
  object.Set("state", from_tensors(env, event.state));
  return object;
}

Napi::Object from_result(Napi::Env env, const run::RunResult& result) {
  auto object = Napi::Object::New(env);
  object.Set("stopped", result.stopped);
  if (result.best) {
    auto best = Napi::Object::New(env);
    best.Set("epoch", static_cast<double>(result.best->epoch));
    set_optional(best, "accuracy", result.best->accuracy);
    object.Set("best", best);
  }
  if (result.test) object.Set("test", from_evaluation(env, *result.test));
  return object;
}

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
    worker_.post([this](Napi::Env env) { deliver(env, [&] { return from_step(env, next_step()); }); });
  }
  void on_trial(const run::StepEvent& event) override {
    worker_.post([this, event](Napi::Env env) { deliver(env, [&] { return from_step(env, event); }); });
  }
  void on_epoch(run::EpochEvent event) override {
    worker_.post_and_wait(
        [this, event = std::move(event)](Napi::Env env) { deliver(env, [&] { return from_epoch(env, event); }); });
  }
  void on_save(std::vector<NamedTensor> state) override {
    worker_.post_and_wait([this, state = std::move(state)](Napi::Env env) {
      deliver(env, [&] {
        auto object = Napi::Object::New(env);
        object.Set("type", "save");
        object.Set("state", from_tensors(env, state));
        return object;
      });
    });
  }
  [[nodiscard]] bool stopped() const override { return worker_.stopped(); }

  // On the JavaScript thread:

  /// Calls the callback with an event; after the callback has thrown, it only lets the run end.
  void deliver(Napi::Env env, const std::function<Napi::Object()>& event) {
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
                      InstanceMethod<&Run::decoded>("decoded")});
}

Run::Run(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Run>(info) {
  guarded(info.Env(), [&] {
    if (info.Length() < 2 || !info[0].IsObject() || !info[1].IsFunction()) {
      throw Error("INVALID_OPTION", "Run wants a job and a function for its events.");
    }
    config_ = to_run_config(info[0].As<Napi::Object>(), keep_);
    on_event_ = Napi::Persistent(info[1].As<Napi::Function>());
  });
}

Napi::Value Run::start(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return on_worker(info.Env(), [](run::Trainer& trainer) -> MakeValue {
      const auto result = trainer.run();
      return [result](Napi::Env env) { return from_result(env, result); };
    });
  });
}

Napi::Value Run::try_rates(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto given = info[0].IsArray() ? info[0].As<Napi::Array>() : Napi::Array::New(info.Env());
    std::vector<double> rates;
    // Stops at the first bad entry: a sparse array may be four billion long.
    bool good = given.Length() > 0;
    for (uint32_t k = 0; good && k < given.Length(); ++k) {
      rates.push_back(to_number(given.Get(k)));
      good = rates.back() > 0;
    }
    if (!good) throw Error("INVALID_OPTION", "tryRates wants a list of learning rates above 0.");
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
  const auto decoder = std::make_shared<JavascriptDecoder>(
      *worker_, [listener](Napi::Env now, const auto& event) { listener->deliver(now, event); });
  decoder_ = decoder;
  const auto config = std::make_shared<run::RunConfig>(std::move(config_));
  return Worker::start(
      env, worker_, std::move(keep_),
      [listener, decoder, config, body](Worker& /*worker*/) -> MakeValue {
        run::Trainer trainer(std::move(*config), *listener, decoder.get());
        return [make = body(trainer), listener, decoder](Napi::Env now) {
          const auto thrown = listener->take_thrown();
          if (!thrown.IsEmpty()) throw thrown;
          return make(now);
        };
      },
      [this, listener] {
        listener->end();
        decoder_.reset();
        Unref();
      });
}

void Run::stop(const Napi::CallbackInfo& /*info*/) { worker_->stop(); }

void Run::decoded(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    if (!started_ || !info[0].IsNumber()) throw Error("INVALID_OPTION", "decoded() answers a 'decode' event.");
    // Batches requested ahead may arrive after the end.
    if (decoder_) decoder_->answer(info[0].As<Napi::Number>().Int64Value(), info[1]);
  });
}

void Run::saved(const Napi::CallbackInfo& /*info*/) { worker_->resume(); }

}  // namespace l2t::binding
