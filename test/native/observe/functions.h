#pragma once
#include <napi.h>

namespace l2t::binding {

/// The table of methods and the fields of all structs that cross.
Napi::Value declarations(const Napi::CallbackInfo& info);
Napi::Value time_iterations(const Napi::CallbackInfo& info);

}  // namespace l2t::binding
