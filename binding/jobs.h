#pragma once
#include <napi.h>

namespace l2t::binding {

// resize() and iterate() of src/native/contract.ts: promises of work on a thread of its own.
Napi::Value resize(const Napi::CallbackInfo& info);
Napi::Value iterate(const Napi::CallbackInfo& info);

}  // namespace l2t::binding
