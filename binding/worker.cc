#include "binding/worker.h"

#include <c10/util/ScopeExit.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "native/core/threads.h"

namespace l2t::binding {
namespace {

/// Every worker whose thread runs, so that all can be ended with the process.
struct Registry {
  std::mutex mutex;
  std::vector<std::shared_ptr<Worker>> workers;
};

/// Never destroyed: threads may still run while static objects are.
Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

}  // namespace

void Worker::run_call(Napi::Env env, Napi::Function /*unused*/, std::nullptr_t* /*unused*/, Call* call) {
  const std::unique_ptr<Call> owned(call);
  if (env != nullptr) (*call)(env);
}

Napi::Promise Worker::start(Napi::Env env, const std::shared_ptr<Worker>& worker, KeptValues keep,
                            std::function<MakeValue()> body, std::function<void()> finished) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  const auto kept = std::make_shared<KeptValues>(std::move(keep));
  const auto settle = [deferred, kept, finished = std::move(finished)](Napi::Env now, const MakeValue& value,
                                                                       const std::optional<Failure>& failure) {
    // Runs even if the environment ends now and neither call below succeeds.
    const auto clean_up = c10::make_scope_exit([&] {
      finished();
      kept->clear();
    });
    try {
      if (failure) {
        deferred.Reject(to_js_error(now, *failure).Value());
      } else {
        deferred.Resolve(guarded(now, [&] { return value(now); }));
      }
    } catch (const Napi::Error& error) {
      deferred.Reject(error.Value());
    }
  };
  // The finaliser runs after the last call, or early when the environment goes away: then the thread must end first.
  worker->to_javascript_ =
      ToJavascript::New(env, "l2t-native worker", 0, 1, nullptr, [worker](Napi::Env /*env*/, void*, std::nullptr_t*) {
        worker->abandon();
        if (worker->thread_.joinable()) worker->thread_.join();
        worker->refused_.clear();
      });
  {
    const std::scoped_lock lock(registry().mutex);
    registry().workers.push_back(worker);
  }
  try {
    // A thread that starts with too little address space ends the process.
    if (address_space_is_limited()) require_address_space(2 * kThreadSpace);
    worker->thread_ = std::thread([worker, settle, body = std::move(body)]() mutable {
      block_signals();
      MakeValue value;
      std::optional<Failure> failure;
      try {
        value = body();
      } catch (...) {
        failure = current_failure();
      }
      // Frees what the body holds, such as the images, before the promise settles.
      body = nullptr;
      worker->post([settle, value = std::move(value), failure](Napi::Env now) { settle(now, value, failure); });
      worker->mark_done();
    });
  } catch (...) {
    // mark_done() also releases to_javascript_, which would keep the process alive.
    const auto failure = current_failure();
    worker->mark_done();
    settle(env, {}, failure);
  }
  return deferred.Promise();
}

void Worker::post(std::function<void(Napi::Env)> call) {
  auto* queued = new Call(std::move(call));
  if (to_javascript_.NonBlockingCall(queued) == napi_ok) return;  // run_call owns it
  // Refused only when the environment goes away. What the call holds must be freed on the JavaScript thread, later.
  refused_.emplace_back(queued);
  abandon();
}

void Worker::post_and_wait(std::function<void(Napi::Env)> call) {
  change([this] { waiting_ = true; });
  post(std::move(call));
  wait([this] { return !waiting_; });
}

void Worker::wait(const std::function<bool()>& ready) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ready() || abandoned_; });
}

void Worker::change(const std::function<void()>& change) {
  const std::scoped_lock lock(mutex_);
  change();
  changed_.notify_all();
}

void Worker::abandon() {
  change([this] { stopped_ = abandoned_ = true; });
}

void Worker::mark_done() {
  to_javascript_.Release();
  {
    const std::scoped_lock lock(registry().mutex);
    std::erase_if(registry().workers, [this](const auto& other) { return other.get() == this; });
  }
  change([this] { done_ = true; });
}

bool Worker::abandon_all() {
  constexpr std::chrono::milliseconds kPatience{250};
  std::vector<std::shared_ptr<Worker>> workers;
  {
    const std::scoped_lock lock(registry().mutex);
    workers = registry().workers;
  }
  for (const auto& worker : workers) worker->abandon();
  return std::all_of(workers.begin(), workers.end(), [&](const auto& worker) {
    std::unique_lock lock(worker->mutex_);
    return worker->changed_.wait_for(lock, kPatience, [&] { return worker->done_; });
  });
}

}  // namespace l2t::binding
