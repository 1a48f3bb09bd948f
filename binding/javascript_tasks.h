#pragma once
#include <napi.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "binding/worker.h"
#include "native/data/batches.h"
#include "native/run/source_runner.h"

namespace l2t::binding {

struct DecodeEvent {
  int64_t ticket;
  std::string set;
  at::Tensor images;  // int32, positions in the set
  at::Tensor draws;   // float64, images × draws; undefined: whole images

  static constexpr const char* kType = "decode";
  static void fields(auto& self, auto&& visit) {
    visit("ticket", self.ticket);
    visit("set", self.set);
    visit("images", self.images);
    visit("draws", self.draws);
  }
};

struct MapsEvent {
  int64_t ticket;
  int64_t source;
  int64_t batch;      // B
  at::Tensor images;  // float32, B × 3 × S × S

  static constexpr const char* kType = "maps";
  static void fields(auto& self, auto&& visit) {
    visit("ticket", self.ticket);
    visit("source", self.source);
    visit("batch", self.batch);
    visit("images", self.images);
  }
};

/// The trainer's tasks in JavaScript: it decodes batches and runs sources that are ONNX files, by 'decode' and
/// 'maps' events and answer() of src/native/contract/run.ts.
class JavascriptTasks final : public data::Decoder, public run::SourceRunner {
 public:
  /// Calls the callback with the event that the function makes, on the JavaScript thread.
  using Deliver = std::function<void(Napi::Env, const std::function<Napi::Value()>&)>;

  JavascriptTasks(Worker& worker, Deliver deliver) : worker_(worker), deliver_(std::move(deliver)) {}

  // From the worker's own thread:
  int64_t request(data::Decoder::Request request) override;
  int64_t request(run::SourceRunner::Request request) override;
  at::Tensor take(int64_t ticket) override;

  /// On the JavaScript thread: takes the bytes of an answer, or undefined where it will not come.
  void answer(int64_t ticket, const Napi::Value& bytes);

 private:
  struct Task {
    std::vector<int64_t> shape;  // of the answer
    at::TensorOptions options;
    bool answered = false;
    at::Tensor answer = {};
  };

  /// Starts a task: posts the event to JavaScript, with the ticket of the task, which is returned.
  template <class Event>
  int64_t start(Task task, Event event);

  Worker& worker_;
  Deliver deliver_;
  int64_t next_ticket_ = 0;
  std::map<int64_t, Task> tasks_;  // used only under the worker's lock
};

}  // namespace l2t::binding
