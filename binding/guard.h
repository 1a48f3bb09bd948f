#pragma once
#include <napi.h>

#include <exception>
#include <string>

#include "native/core/error.h"

/// The only place where C++ exceptions are caught: they become JavaScript errors that carry `code`.
namespace l2t::binding {

/// A failure as it crosses threads.
struct Failure {
  std::string code;
  std::string message;
};

/// Call inside a catch block.
inline Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {"INTERNAL", "Out of memory: use a smaller --batch, a smaller network, or fewer threads."};
  } catch (const std::exception& error) {
    // LibTorch appends a C++ backtrace to its messages: only the first line says anything to a user.
    const std::string text = error.what();
    return {"INTERNAL", text.substr(0, text.find('\n'))};
  }
}

inline Napi::Error to_js_error(Napi::Env env, const Failure& failure) {
  auto error = Napi::Error::New(env, failure.message);
  error.Set("code", failure.code);
  return error;
}

/// Runs `body`; what it throws is thrown as a JavaScript error.
template <class Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, current_failure());
  }
}

}  // namespace l2t::binding
