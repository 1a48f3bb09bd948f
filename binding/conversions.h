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

/// Between JavaScript values and the native structs; src/native/contract.ts documents the shapes. Everything that is
/// wrong is INVALID_OPTION, naming the key.
namespace l2t::binding {

/// Keeps the JavaScript buffers that native tensors look into alive; made and dropped on the JavaScript thread.
using KeptValues = std::vector<Napi::Reference<Napi::Value>>;

/// NaN for what is no number.
double to_number(const Napi::Value& value);
/// From 0 (a rate, a weight, a time) to 1e30, which float32 still holds.
double get_number(const Napi::Object& object, const char* key);
int64_t get_integer(const Napi::Object& object, const char* key, int64_t low, int64_t high);
std::string get_string(const Napi::Object& object, const char* key);
/// An argument: what is no string has no text either, such as a symbol.
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

/// Copies: weights are small beside what is done with them.
std::vector<NamedTensor> to_tensors(const Napi::Array& array);

/// Looks into the pixels, which `keep` holds. Checks lengths, and labels against `classes`.
data::ImageSet to_images(const Napi::Object& object, int64_t classes, KeptValues& keep);

/// Hands the tensors' memory to JavaScript without a copy; each must be contiguous, on the CPU, and not change again.
Napi::Array from_tensors(Napi::Env env, const std::vector<NamedTensor>& tensors);

Napi::Object from_evaluation(Napi::Env env, const run::Evaluation& evaluation);

}  // namespace l2t::binding
