#pragma once
#include <napi.h>

#include <memory>
#include <string>
#include <vector>

#include "native/core/parameters.h"
#include "native/data/image_set.h"
#include "native/nets/registry.h"
#include "native/run/config.h"
#include "native/run/evaluation.h"

/// Converts between JavaScript values and native structs; src/native/contract.ts documents their fields. A wrong value
/// throws INVALID_OPTION, which names the key.
namespace l2t::binding {

/// Keeps JavaScript buffers alive while native tensors use them; made and dropped on the JavaScript thread.
using KeptValues = std::vector<Napi::Reference<Napi::Value>>;

/// NaN for a value that is not a number.
double to_number(const Napi::Value& value);
/// From 0 (rates, weights and times are not negative) to 1e30, which float32 can hold.
double get_number(const Napi::Object& object, const char* key);
int64_t get_integer(const Napi::Object& object, const char* key, int64_t low, int64_t high);
std::string get_string(const Napi::Object& object, const char* key);
/// An argument's text. Only a string has one: converting a symbol to text would fail.
std::string to_text(const Napi::Value& value, const char* what);
bool get_boolean(const Napi::Object& object, const char* key);
Napi::Object get_object(const Napi::Object& object, const char* key);
/// Element `index` of the array `key`.
Napi::Object get_object(const Napi::Array& array, uint32_t index, const char* key);
Napi::Array get_array(const Napi::Object& object, const char* key);

nets::NetworkSpec to_network_spec(const Napi::Object& object);
data::Normalisation to_normalisation(const Napi::Object& object);
run::Hyperparameters to_hyperparameters(const Napi::Object& object);
std::vector<std::pair<int, int>> to_pairs(const Napi::Array& array);

/// Copies the data: that takes little time beside the work on it.
std::vector<NamedTensor> to_tensors(const Napi::Array& array);

/// Uses the pixels without a copy; `keep` holds them. Checks lengths, and labels against `classes` (INVALID_DATA).
data::ImageSet to_images(const Napi::Object& object, int64_t classes, KeptValues& keep);

/// Hands the tensors' memory to JavaScript without a copy; each must be contiguous, on the CPU, and not change again.
Napi::Array from_tensors(Napi::Env env, const std::vector<NamedTensor>& tensors);

Napi::Object from_evaluation(Napi::Env env, const run::Evaluation& evaluation);

}  // namespace l2t::binding
