#pragma once
#include <napi.h>

namespace l2t::binding {

/// arithmetic(precision, deterministic): sets how GPUs compute, and returns LibTorch's switches.
Napi::Value arithmetic(const Napi::CallbackInfo& info);

}  // namespace l2t::binding
