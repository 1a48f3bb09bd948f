#include "binding/resize.h"

#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

#include "binding/guard.h"
#include "binding/marshal.h"
#include "native/core/threads.h"

namespace l2t::binding {
namespace {

/// An image takes milliseconds, so it may use libuv's pool, which resizes several at the same time.
class ResizeWorker final : public Napi::AsyncWorker {
 public:
  ResizeWorker(Napi::Env env, const Napi::Uint8Array& pixels, std::array<int64_t, 4> sides)
      : AsyncWorker(env),
        deferred_(Napi::Promise::Deferred::New(env)),
        input_(Napi::Reference<Napi::Value>::New(pixels, 1)),
        data_(const_cast<uint8_t*>(pixels.Data())),
        sides_(sides) {}

  [[nodiscard]] Napi::Promise promise() const { return deferred_.Promise(); }

 private:
  void Execute() override {
    try {
      const auto [height, width, out_height, out_width] = sides_;
      set_threads(1);
      const auto image = at::from_blob(data_, {1, height, width, 3}, at::kByte).permute({0, 3, 1, 2});
      output_ = at::_upsample_bilinear2d_aa(image, {out_height, out_width}, /*align_corners=*/false)
                    .permute({0, 2, 3, 1})
                    .contiguous();
    } catch (...) {
      failure_ = current_failure();
      SetError("failed");
    }
  }
  void OnOK() override {
    auto result = Napi::Uint8Array::New(Env(), output_.nbytes());
    std::memcpy(result.Data(), output_.const_data_ptr(), output_.nbytes());
    deferred_.Resolve(result);
  }
  void OnError(const Napi::Error& /*error*/) override { deferred_.Reject(to_js_error(Env(), failure_).Value()); }

  Napi::Promise::Deferred deferred_;
  Napi::Reference<Napi::Value> input_;
  uint8_t* data_;
  std::array<int64_t, 4> sides_;
  at::Tensor output_;
  Failure failure_;
};

}  // namespace

Napi::Value resize(const Napi::CallbackInfo& info) {
  const auto side = [&](size_t index, const char* name) {
    return argument<int64_t>(info[index], name, Whole{1, 100000});
  };
  const std::array sides{side(1, "height"), side(2, "width"), side(3, "outHeight"), side(4, "outWidth")};
  const Location location{"pixels", nullptr};
  const auto* const want = "a Uint8Array of height x width x 3 bytes";
  const auto pixels = bytes_at(info[0], location, want);
  if (static_cast<int64_t>(pixels.ByteLength()) != sides[0] * sides[1] * 3) location.refuse(want);
  auto* worker = new ResizeWorker(info.Env(), pixels, sides);
  const auto promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace l2t::binding
