#pragma once
#include <napi.h>

namespace l2t::binding {

/// resize() of src/native/contract.ts.
Napi::Value resize(const Napi::CallbackInfo& info);

}  // namespace l2t::binding
