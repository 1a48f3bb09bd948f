#pragma once
#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "binding/guard.h"
#include "binding/marshal.h"

/// Runs work on a native thread of its own, never on the event loop or a thread of libuv's pool.
namespace l2t::binding {

/// Makes a JavaScript value, on the JavaScript thread.
using MakeValue = std::function<Napi::Value(Napi::Env)>;

class Worker {
 public:
  /// Starts `body` on a new thread. The promise resolves with the value that `body`'s result makes. It is rejected with
  /// what `body` throws, or if no thread can be started. `keep` and the worker live until then. Then `finished` runs on
  /// the JavaScript thread, after every call that was posted.
  static Napi::Promise start(
      Napi::Env env, const std::shared_ptr<Worker>& worker, KeptValues keep, std::function<MakeValue()> body,
      std::function<void()> finished = [] {});

  // From the worker's own thread:

  [[nodiscard]] bool stopped() const { return stopped_; }
  /// Queues `call` on the JavaScript thread and returns at once.
  void post(std::function<void(Napi::Env)> call);
  /// Queues `call` and waits for resume(): for data that must be on disk before training goes on.
  void post_and_wait(std::function<void(Napi::Env)> call);
  /// Waits until `ready`, called after every change(), returns true, or until the environment goes away.
  void wait(const std::function<bool()>& ready);

  // From the JavaScript thread:

  /// Asks the body to end.
  void stop() {
    change([this] { stopped_ = true; });
  }
  void resume() {
    change([this] { waiting_ = false; });
  }
  /// Runs `change` under the lock, then wakes wait(). From any thread.
  void change(const std::function<void()>& change);

  /// Asks every body to end and waits a moment for each; JavaScript will answer no call. Returns whether all ended.
  static bool abandon_all();

 private:
  using Call = std::function<void(Napi::Env)>;
  /// `env` is null where the environment goes away: then the call is deleted and does not run.
  static void run_call(Napi::Env env, Napi::Function /*unused*/, std::nullptr_t* /*unused*/, Call* call);
  using ToJavascript = Napi::TypedThreadSafeFunction<std::nullptr_t, Call, &Worker::run_call>;

  void abandon();
  void mark_done();

  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool waiting_ = false;
  bool abandoned_ = false;
  bool done_ = false;
  ToJavascript to_javascript_;
  std::thread thread_;
  std::vector<std::unique_ptr<Call>> refused_;  // calls refused by an environment that goes away
};

/// Runs `work` on a thread of its own. The promise resolves with its result.
template <class Work>
Napi::Promise in_background(Napi::Env env, Work&& work, KeptValues&& keep = {}) {
  return Worker::start(env, std::make_shared<Worker>(), std::move(keep),
                       [work = std::forward<Work>(work)]() -> MakeValue {
                         return [result = work()](Napi::Env now) { return write(now, result); };
                       });
}

}  // namespace l2t::binding
