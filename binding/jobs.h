#pragma once
#include <napi.h>

namespace l2t::binding {

// resize() and iterate() of src/native/contract.ts: they return promises and work on other threads.
Napi::Value resize(const Napi::CallbackInfo& info);
Napi::Value iterate(const Napi::CallbackInfo& info);

}  // namespace l2t::binding
