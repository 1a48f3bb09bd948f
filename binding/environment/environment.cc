/// Sets variables of the process's own environment. In a worker thread JavaScript's process.env is a copy, which the
/// addon's libraries never see. So this module is loaded before the addon, and depends on no other library.
#include <node_api.h>

#include <cstdlib>
#include <string>

namespace {

std::string text_of(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return {};
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, text.data(), length + 1, &length);
  return text;
}

/// setDefault(name, value): does nothing where the variable is set already.
napi_value set_default(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  if (napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr) != napi_ok || count < 2) return nullptr;
  const auto name = text_of(env, arguments[0]);
  if (!name.empty()) setenv(name.c_str(), text_of(env, arguments[1]).c_str(), 0);
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function = nullptr;
  if (napi_create_function(env, "setDefault", NAPI_AUTO_LENGTH, set_default, nullptr, &function) == napi_ok) {
    napi_set_named_property(env, exports, "setDefault", function);
  }
  return exports;
}
