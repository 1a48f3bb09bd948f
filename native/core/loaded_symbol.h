#pragma once
#include <dlfcn.h>

namespace l2t {

/// A function of a library that LibTorch brought along, which may be there or not; null where it isn't.
template <class Function>
Function* loaded_symbol(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace l2t
