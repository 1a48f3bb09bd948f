#pragma once
#include <dlfcn.h>

namespace l2t {

/// A function of a library that LibTorch may have loaded, such as OpenBLAS; null where it is not loaded.
template <class Function>
Function* loaded_symbol(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

}  // namespace l2t
