#pragma once
#include <napi.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "native/core/error.h"
#include "native/core/fields.h"
#include "native/core/layout.h"
#include "native/core/names.h"
#include "native/core/reducer.h"
#include "native/data/image_set.h"

/// Converts structs that name their fields (core/fields.h) from JavaScript and to it; src/native/contract/ documents
/// them. A wrong value throws INVALID_OPTION, which names its path: `sources[1].size`.
namespace l2t::binding {

/// Keeps JavaScript buffers alive while native tensors use them; made and dropped on the JavaScript thread.
using KeptValues = std::vector<Napi::Reference<Napi::Value>>;

/// A value's path in the job, and the list that keeps its buffers alive.
struct Location {
  std::string path;
  KeptValues* keep;

  [[nodiscard]] Location at(const std::string& key) const { return {path.empty() ? key : path + "." + key, keep}; }
  [[nodiscard]] Location at(size_t index) const { return {path + "[" + std::to_string(index) + "]", keep}; }
  [[noreturn]] void refuse(const std::string& want) const {
    throw Error("INVALID_OPTION", (path.empty() ? "The job" : path) + " must be " + want + ".");
  }
};

struct Ignore {
  template <class... Arguments>
  void operator()(Arguments&&... /*unused*/) const {}
};
/// A struct that names its fields.
template <class T>
concept HasFields = requires(T& value) { T::fields(value, Ignore()); };

// From JavaScript.

void read(const Napi::Value& value, const Location& location, double& member, Within within = {0, 1e30});
void read(const Napi::Value& value, const Location& location, int64_t& member, Whole whole = kAnyCount);
void read(const Napi::Value& value, const Location& location, uint64_t& member, Whole whole = kAnyCount);
void read(const Napi::Value& value, const Location& location, int& member, Whole whole);
void read(const Napi::Value& value, const Location& location, bool& member);
void read(const Napi::Value& value, const Location& location, std::string& member);
void read(const Napi::Value& value, const Location& location, std::array<double, 3>& member, Within within);
/// Pairs of feature indices, without repetitions.
void read(const Napi::Value& value, const Location& location, std::vector<std::pair<int, int>>& member);
/// All numbers of an object.
void read(const Napi::Value& value, const Location& location, std::map<std::string, double>& member);
/// Copies the data: that takes little time beside the work on it.
void read(const Napi::Value& value, const Location& location, NamedTensor& member);
/// Uses the pixels without a copy, and keeps them.
void read(const Napi::Value& value, const Location& location, data::ImageSet& member);

/// The ranks that this process has joined; binding/group.cc.
void read(const Napi::Value& value, const Location& location, std::shared_ptr<const Reducer>& member);

template <HasNames E>
void read(const Napi::Value& value, const Location& location, E& member) {
  std::string name;
  read(value, location, name);
  if (const auto found = named<E>(name)) {
    member = *found;
    return;
  }
  std::string names;
  for (const char* const known : names_of(E())) names += (names.empty() ? "" : ", ") + std::string(known);
  location.refuse("one of " + names);
}

/// The object that a struct is read from.
Napi::Object object_at(const Napi::Value& value, const Location& location);
Napi::Array array_at(const Napi::Value& value, const Location& location);
/// `want`: what it must be, for the message.
Napi::Uint8Array bytes_at(const Napi::Value& value, const Location& location, const char* want = "a Uint8Array");

template <class T, class... Rule>
void read(const Napi::Value& value, const Location& location, std::optional<T>& member, Rule... rule) {
  if (!value.IsUndefined()) read(value, location, member.emplace(), rule...);
}

/// Stops at the first bad entry: a sparse array may be four billion long.
template <class T, class... Rule>
void read(const Napi::Value& value, const Location& location, std::vector<T>& member, Rule... rule) {
  const auto array = array_at(value, location);
  for (uint32_t i = 0; i < array.Length(); ++i) read(array.Get(i), location.at(i), member.emplace_back(), rule...);
}

template <HasFields T>
void read(const Napi::Value& value, const Location& location, T& member) {
  const auto object = object_at(value, location);
  T::fields(member, [&](const char* key, auto& field, auto... rule) {
    if (*key == '\0') return read(value, location, field, rule...);
    read(object.Get(key), location.at(key), field, rule...);
  });
}

/// An argument of a call; messages name it.
template <class T, class... Rule>
T argument(const Napi::Value& value, const char* name, Rule... rule) {
  T argument{};
  read(value, Location{name, nullptr}, argument, rule...);
  return argument;
}

/// A job, which is a call's first argument.
template <class T>
T read_job(const Napi::Value& value) {
  T job{};
  read(value, Location{"", nullptr}, job);
  return job;
}

// To JavaScript. An absent optional and an undefined tensor have no key.

/// A number, true or false, or a text.
template <class T>
  requires std::is_arithmetic_v<T> || std::is_same_v<T, std::string>
Napi::Value write(Napi::Env env, const T& value) {
  return Napi::Value::From(env, value);
}
Napi::Value write(Napi::Env env, const std::pair<int, int>& value);
/// A typed array of an int32, float32 or float64 tensor on the CPU.
Napi::Value write(Napi::Env env, const at::Tensor& value);
/// Hands the tensor's memory to JavaScript without a copy: it must be contiguous, on the CPU, and not change again.
Napi::Value write(Napi::Env env, const NamedTensor& value);
template <HasFields T>
Napi::Value write(Napi::Env env, const T& value);

/// An object with these keys.
template <class T>
Napi::Value write(Napi::Env env, const std::vector<std::pair<std::string, T>>& entries) {
  auto object = Napi::Object::New(env);
  for (const auto& [key, value] : entries) object.Set(key, value);
  return object;
}

template <class T>
Napi::Value write(Napi::Env env, const std::vector<T>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, write(env, values[i]));
  return array;
}

template <class T>
Napi::Value write(Napi::Env env, const std::optional<T>& value) {
  return value ? write(env, *value) : env.Undefined();
}

template <HasFields T>
Napi::Value write(Napi::Env env, const T& value) {
  auto object = Napi::Object::New(env);
  if constexpr (requires { T::kType; }) object.Set("type", T::kType);
  T::fields(value, [&](const char* key, const auto& field, auto... /*rule*/) {
    const auto written = write(env, field);
    if (!written.IsUndefined()) object.Set(key, written);
  });
  return object;
}

}  // namespace l2t::binding
