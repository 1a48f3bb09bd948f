#pragma once
#include <napi.h>

#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <regex>
#include <string>
#include <system_error>

#include "native/core/error.h"
#include "native/core/limits.h"

/// Turns C++ exceptions into JavaScript errors that carry `code`. Every call that can fail goes through `guarded`.
namespace l2t::binding {

/// A failure that can be passed between threads.
struct Failure {
  std::string code;
  std::string message;
};

/// If `line` is LibTorch's message for too little memory, on a CPU or a GPU: the bytes that it wanted (0: unknown).
inline std::optional<size_t> refused_memory(const std::string& line) {
  if (line.find("can't allocate memory") == std::string::npos && line.find("out of memory") == std::string::npos) {
    // oneDNN gives no reason. Where address space is limited, we take that for the reason.
    const bool failed = line.find("could not create a") == 0 || line.find("could not execute a") == 0;
    return failed && address_space_is_limited() ? std::optional<size_t>(0) : std::nullopt;
  }
  std::smatch found;
  if (std::regex_search(line, found, std::regex("allocate ([0-9]+) bytes"))) return std::stoull(found[1]);
  if (!std::regex_search(line, found, std::regex("allocate ([0-9.]+) ([KMGT])iB"))) return 0;
  const auto power = 10 * (1 + std::string("KMGT").find(found[2].str()));
  return static_cast<size_t>(std::stod(found[1]) * static_cast<double>(size_t{1} << power));
}

/// Call inside a catch block.
inline Failure current_failure() {
  try {
    throw;
  } catch (const Error& error) {
    return {error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {"OUT_OF_MEMORY", out_of_memory(0)};
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::resource_unavailable_try_again) return {"OUT_OF_THREADS", out_of_threads()};
    return {"INTERNAL", error.what()};
  } catch (const std::exception& error) {
    // LibTorch appends a C++ backtrace to its messages: only the first line says anything to a user.
    const std::string text = error.what();
    const auto line = text.substr(0, text.find('\n'));
    if (const auto bytes = refused_memory(line)) return {"OUT_OF_MEMORY", out_of_memory(*bytes)};
    return {"INTERNAL", line};
  }
}

/// Returns the error that useErrors() of src/native/contract.ts makes, else an Error with `code`.
inline Napi::Error to_js_error(Napi::Env env, const Failure& failure) {
  if (const auto* const make = env.GetInstanceData<Napi::FunctionReference>(); make != nullptr) {
    return {env, make->Call({Napi::String::New(env, failure.code), Napi::String::New(env, failure.message)})};
  }
  auto error = Napi::Error::New(env, failure.message);
  error.Set("code", failure.code);
  return error;
}

/// Runs `body` and rethrows its exception as a JavaScript error.
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

/// A function for JavaScript, in which what `kCall` throws becomes a JavaScript error.
template <Napi::Value (*kCall)(const Napi::CallbackInfo&)>
Napi::Function function(Napi::Env env) {
  return Napi::Function::New(
      env, [](const Napi::CallbackInfo& call) { return guarded(call.Env(), [&] { return kCall(call); }); });
}

/// useErrors() of src/native/contract.ts.
inline Napi::Value use_errors(const Napi::CallbackInfo& call) {
  call.Env().SetInstanceData(new Napi::FunctionReference(Napi::Persistent(call[0].As<Napi::Function>())));
  return call.Env().Undefined();
}

}  // namespace l2t::binding
