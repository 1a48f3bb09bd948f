#include "binding/javascript_decoder.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <cstring>
#include <optional>
#include <utility>

#include "binding/marshal.h"

namespace l2t::binding {

int64_t JavascriptDecoder::request(Request request) {
  const auto ticket = next_ticket_++;
  worker_.change([&] {
    pending_[ticket] = {
        static_cast<int64_t>(request.positions.size()), request.size, request.device.is_cuda(), false, {}};
  });
  worker_.post([this, ticket, request = std::move(request)](Napi::Env env) {
    deliver_(env, [&] {
      DecodeEvent event{ticket, request.set, at::tensor(request.positions, at::kInt), {}};
      if (!request.draws.empty()) event.draws = at::tensor(request.draws, at::kDouble);
      return write(env, event);
    });
  });
  return ticket;
}

at::Tensor JavascriptDecoder::take(int64_t ticket) {
  worker_.wait([&] { return pending_.at(ticket).answered || worker_.stopped(); });
  at::Tensor pixels;
  worker_.change([&] { pixels = pending_.extract(ticket).mapped().pixels; });
  return pixels;
}

void JavascriptDecoder::answer(int64_t ticket, const Napi::Value& pixels) {
  std::optional<Pending> asked;
  worker_.change([&] {
    const auto found = pending_.find(ticket);
    if (found != pending_.end()) asked = found->second;
  });
  if (!asked) return;  // the run has ended, or no longer waits for this batch
  at::Tensor batch;
  if (!pixels.IsUndefined()) {
    const Place place{"pixels", nullptr};
    const auto* const want = "images x size x size x 3 bytes";
    const auto bytes = bytes_at(pixels, place, want);
    // A copy from pinned memory to a GPU does not block.
    batch = at::empty({asked->images, asked->size, asked->size, 3},
                      at::TensorOptions().dtype(at::kByte).pinned_memory(asked->pinned));
    if (bytes.ByteLength() != batch.nbytes()) place.refuse(want);
    std::memcpy(batch.mutable_data_ptr(), bytes.Data(), batch.nbytes());
  }
  worker_.change([&] {
    const auto found = pending_.find(ticket);
    if (found != pending_.end()) found->second = {asked->images, asked->size, asked->pinned, true, batch};
  });
}

}  // namespace l2t::binding
