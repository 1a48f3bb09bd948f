#include "binding/javascript_tasks.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <cstring>
#include <optional>
#include <utility>

#include "binding/marshal.h"
#include "native/core/side_stream.h"

namespace l2t::binding {

template <class Event>
int64_t JavascriptTasks::start(Task task, Event event) {
  const auto ticket = next_ticket_++;
  event.ticket = ticket;
  worker_.change([&] { tasks_[ticket] = std::move(task); });
  worker_.post([this, event = std::move(event)](Napi::Env env) { deliver_(env, [&] { return write(env, event); }); });
  return ticket;
}

int64_t JavascriptTasks::request(data::Decoder::Request request) {
  const auto images = static_cast<int64_t>(request.positions.size());
  DecodeEvent event{0, request.set, at::tensor(request.positions, at::kInt), {}};
  if (!request.draws.empty()) event.draws = at::tensor(request.draws, at::kDouble);
  return start({{images, request.size, request.size, 3}, upload_options(request.device, at::kByte)}, std::move(event));
}

int64_t JavascriptTasks::request(run::SourceRunner::Request request) {
  return start({{request.values}, upload_options(request.device, at::kFloat)},
               MapsEvent{0, request.source, request.images.size(0), request.images});
}

at::Tensor JavascriptTasks::take(int64_t ticket) {
  worker_.wait([&] { return tasks_.at(ticket).answered || worker_.stopped(); });
  at::Tensor answer;
  worker_.change([&] { answer = tasks_.extract(ticket).mapped().answer; });
  return answer;
}

void JavascriptTasks::answer(int64_t ticket, const Napi::Value& value) {
  std::optional<Task> task;
  worker_.change([&] {
    const auto found = tasks_.find(ticket);
    if (found != tasks_.end()) task = found->second;
  });
  if (!task) return;  // the run has ended, or no longer waits for it
  if (!value.IsUndefined()) {
    // A copy from pinned memory to a GPU does not block.
    task->answer = at::empty(task->shape, task->options);
    const auto bytes = std::to_string(task->answer.nbytes()) + " bytes";
    const Location location{"the answer", nullptr};
    const auto given = bytes_at(value, location, bytes.c_str());
    if (given.ByteLength() != task->answer.nbytes()) location.refuse(bytes);
    std::memcpy(task->answer.mutable_data_ptr(), given.Data(), given.ByteLength());
  }
  task->answered = true;
  worker_.change([&] {
    const auto found = tasks_.find(ticket);
    if (found != tasks_.end()) found->second = std::move(*task);
  });
}

}  // namespace l2t::binding
