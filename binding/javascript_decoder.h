#pragma once
#include <napi.h>

#include <functional>
#include <map>
#include <utility>

#include "binding/worker.h"
#include "native/data/batches.h"

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

/// Lets JavaScript decode batches, by 'decode' events and decoded() of src/native/contract/run.ts.
class JavascriptDecoder final : public data::Decoder {
 public:
  /// Calls the callback with the event that the function makes, on the JavaScript thread.
  using Deliver = std::function<void(Napi::Env, const std::function<Napi::Value()>&)>;

  JavascriptDecoder(Worker& worker, Deliver deliver) : worker_(worker), deliver_(std::move(deliver)) {}

  // From the worker's own thread:
  int64_t request(Request request) override;
  at::Tensor take(int64_t ticket) override;

  /// On the JavaScript thread: takes a decoded batch, or undefined where it will not come.
  void answer(int64_t ticket, const Napi::Value& pixels);

 private:
  struct Pending {
    int64_t images;
    int64_t size;
    bool pinned;
    bool answered = false;
    at::Tensor pixels;
  };

  Worker& worker_;
  Deliver deliver_;
  int64_t next_ticket_ = 0;
  std::map<int64_t, Pending> pending_;  // used only under the worker's lock
};

}  // namespace l2t::binding
