#pragma once
#include <napi.h>

namespace l2t::binding {

// networks(), describe(), initialise() and pairs() of src/native/contract.ts.
Napi::Value networks(const Napi::CallbackInfo& info);
Napi::Value describe(const Napi::CallbackInfo& info);
Napi::Value initialise(const Napi::CallbackInfo& info);
Napi::Value pairs(const Napi::CallbackInfo& info);

}  // namespace l2t::binding
