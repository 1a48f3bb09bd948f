#pragma once
#include <napi.h>

namespace l2t::binding {

Napi::Value time_iterations(const Napi::CallbackInfo& info);

}  // namespace l2t::binding
