#include "binding/conversions.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "native/core/error.h"

namespace l2t::binding {
namespace {

constexpr std::array<std::pair<const char*, at::ScalarType>, 10> kDtypes{{
    {"float16", at::kHalf},
    {"bfloat16", at::kBFloat16},
    {"float32", at::kFloat},
    {"float64", at::kDouble},
    {"int64", at::kLong},
    {"int32", at::kInt},
    {"int16", at::kShort},
    {"int8", at::kChar},
    {"uint8", at::kByte},
    {"bool", at::kBool},
}};

at::ScalarType to_dtype(const std::string& name) {
  for (const auto& [known, type] : kDtypes) {
    if (name == known) return type;
  }
  throw Error("INVALID_OPTION", "Unknown dtype '" + name + "'.");
}

const char* dtype_name(at::ScalarType type) {
  for (const auto& [name, known] : kDtypes) {
    if (type == known) return name;
  }
  throw Error("INTERNAL", "A tensor has a dtype that has no name here.");
}

[[noreturn]] void bad(const char* key, const char* want) {
  throw Error("INVALID_OPTION", std::string("'") + key + "' must be " + want + ".");
}

template <class TypedArray>
TypedArray get_typed(const Napi::Object& object, const char* key, napi_typedarray_type type, const char* want) {
  const auto value = object.Get(key);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) bad(key, want);
  return value.As<TypedArray>();
}

at::Tensor to_tensor(const Napi::Object& object) {
  const auto type = to_dtype(get_string(object, "dtype"));
  const auto dimensions = get_array(object, "shape");
  std::vector<int64_t> shape;
  double total = 1;
  double extent = 1;
  for (uint32_t i = 0; i < dimensions.Length(); ++i) {
    const double side = to_number(dimensions.Get(i));
    if (!(side >= 0 && side <= 1e12) || side != std::floor(side)) bad("shape", "whole numbers");
    shape.push_back(static_cast<int64_t>(side));
    total *= side;
    extent *= std::max(side, 1.0);
  }
  // Strides are products of sides, so those of an empty tensor can overflow, too.
  if (extent > 1e15) bad("shape", "of fewer than 1e15 elements");
  const auto bytes = get_typed<Napi::Uint8Array>(object, "data", napi_uint8_array, "a Uint8Array");
  if (total * static_cast<double>(c10::elementSize(type)) != static_cast<double>(bytes.ByteLength())) {
    bad("data", "as long as shape and dtype say");
  }
  auto tensor = at::empty(shape, type);
  if (tensor.nbytes() > 0) std::memcpy(tensor.mutable_data_ptr(), bytes.Data(), tensor.nbytes());
  return tensor;
}

}  // namespace

double to_number(const Napi::Value& value) {
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::numeric_limits<double>::quiet_NaN();
}

double get_number(const Napi::Object& object, const char* key) {
  const auto value = object.Get(key);
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
  if (!(number >= 0 && number <= 1e30)) bad(key, "a number from 0 to 1e30");
  return number;
}

int64_t get_integer(const Napi::Object& object, const char* key, int64_t low, int64_t high) {
  const double value = get_number(object, key);
  if (value != std::floor(value) || value < static_cast<double>(low) || value > static_cast<double>(high)) {
    bad(key, ("a whole number from " + std::to_string(low) + " to " + std::to_string(high)).c_str());
  }
  return static_cast<int64_t>(value);
}

std::string get_string(const Napi::Object& object, const char* key) {
  const auto value = object.Get(key);
  if (!value.IsString()) bad(key, "a string");
  return value.ToString().Utf8Value();
}

std::string to_text(const Napi::Value& value, const char* what) {
  if (!value.IsString()) throw Error("INVALID_OPTION", std::string(what) + " is a string.");
  return value.As<Napi::String>().Utf8Value();
}

bool get_boolean(const Napi::Object& object, const char* key) {
  const auto value = object.Get(key);
  if (!value.IsBoolean()) bad(key, "true or false");
  return value.As<Napi::Boolean>().Value();
}

Napi::Object get_object(const Napi::Object& object, const char* key) {
  const auto value = object.Get(key);
  if (!value.IsObject()) bad(key, "an object");
  return value.As<Napi::Object>();
}

Napi::Object get_object(const Napi::Array& array, uint32_t index, const char* key) {
  const auto value = array.Get(index);
  if (!value.IsObject()) bad(key, "a list of objects");
  return value.As<Napi::Object>();
}

Napi::Array get_array(const Napi::Object& object, const char* key) {
  const auto value = object.Get(key);
  if (!value.IsArray()) bad(key, "an array");
  return value.As<Napi::Array>();
}

nets::NetworkSpec to_network_spec(const Napi::Object& object) {
  return {get_string(object, "name"), get_integer(object, "classes", 1, 1000000), get_number(object, "width")};
}

data::Normalisation to_normalisation(const Napi::Object& object) {
  data::Normalisation result{};
  for (const auto& [key, values] : {std::pair{"mean", &result.mean}, std::pair{"std", &result.std}}) {
    const auto array = get_array(object, key);
    if (array.Length() != 3) bad(key, "three numbers");
    for (uint32_t c = 0; c < 3; ++c) (*values)[c] = to_number(array.Get(c));
    for (const double value : *values) {
      if (!(std::abs(value) <= 1e6)) bad(key, "three numbers");
    }
  }
  for (const double std : result.std) {
    if (!(std > 1e-6)) bad("std", "three numbers above 0");
  }
  return result;
}

run::Hyperparameters to_hyperparameters(const Napi::Object& object) {
  return {get_string(object, "method"),
          get_string(object, "engine"),
          get_string(object, "convolution"),
          get_number(object, "lr"),
          get_number(object, "momentum"),
          get_number(object, "weightDecay"),
          get_number(object, "beta"),
          static_cast<int>(get_integer(object, "innerSteps", 1, 1000)),
          get_number(object, "metaLr"),
          get_number(object, "metaWeightDecay"),
          get_number(object, "attentionWeight"),
          get_number(object, "distillationWeight"),
          get_number(object, "temperature")};
}

std::vector<std::pair<int, int>> to_pairs(const Napi::Array& array) {
  std::vector<std::pair<int, int>> pairs;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto value = array.Get(i);
    if (!value.IsArray() || value.As<Napi::Array>().Length() != 2) bad("pairs", "a list of pairs of feature indices");
    std::array<int, 2> indices{};
    for (uint32_t k = 0; k < 2; ++k) {
      const double index = to_number(value.As<Napi::Array>().Get(k));
      if (!(index >= 0 && index <= 10000) || index != std::floor(index))
        bad("pairs", "a list of pairs of feature indices");
      indices[k] = static_cast<int>(index);
    }
    const std::pair<int, int> pair{indices[0], indices[1]};
    if (std::find(pairs.begin(), pairs.end(), pair) != pairs.end()) bad("pairs", "without repetitions");
    pairs.push_back(pair);
  }
  return pairs;
}

std::vector<NamedTensor> to_tensors(const Napi::Array& array) {
  std::vector<NamedTensor> tensors;
  tensors.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto object = get_object(array, i, "tensors");
    tensors.push_back({get_string(object, "name"), to_tensor(object)});
  }
  return tensors;
}

data::ImageSet to_images(const Napi::Object& object, int64_t classes, KeptValues& keep) {
  const auto labels = get_typed<Napi::Int32Array>(object, "labels", napi_int32_array, "an Int32Array");
  const int64_t size = get_integer(object, "size", 1, 4096);
  const auto count = static_cast<int64_t>(labels.ElementLength());
  const int32_t* label = labels.Data();
  for (int64_t i = 0; i < count; ++i) {
    if (label[i] < 0 || label[i] >= classes) {
      throw Error("INVALID_DATA", "Image " + std::to_string(i) + " has label " + std::to_string(label[i]) +
                                      ", but there are only " + std::to_string(classes) + " classes.");
    }
  }
  auto* values = const_cast<int32_t*>(label);  // from_blob wants non-const; nothing writes
  data::ImageSet images{{}, at::from_blob(values, {count}, at::kInt).to(at::kLong), size};
  if (object.Get("pixels").IsUndefined()) return images;
  const auto pixels = get_typed<Napi::Uint8Array>(object, "pixels", napi_uint8_array, "a Uint8Array");
  if (static_cast<int64_t>(pixels.ByteLength()) != count * size * size * 3)
    bad("pixels", "labels x size x size x 3 bytes");
  keep.push_back(Napi::Reference<Napi::Value>::New(pixels, 1));
  auto* bytes = const_cast<uint8_t*>(pixels.Data());
  images.pixels = at::from_blob(bytes, {count, size, size, 3}, at::kByte);
  return images;
}

Napi::Array from_tensors(Napi::Env env, const std::vector<NamedTensor>& tensors) {
  auto array = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    auto object = Napi::Object::New(env);
    auto shape = Napi::Array::New(env, tensor.dim());
    for (uint32_t d = 0; d < tensor.dim(); ++d) shape.Set(d, static_cast<double>(tensor.size(d)));
    // The finaliser's copy of the tensor owns the memory.
    const auto buffer = Napi::ArrayBuffer::New(env, tensor.mutable_data_ptr(), tensor.nbytes(),
                                               [held = tensor](Napi::Env /*env*/, void* /*data*/) {});
    object.Set("name", name);
    object.Set("dtype", dtype_name(tensor.scalar_type()));
    object.Set("shape", shape);
    object.Set("data", Napi::Uint8Array::New(env, tensor.nbytes(), buffer, 0));
    array.Set(i, object);
  }
  return array;
}

Napi::Object from_evaluation(Napi::Env env, const run::Evaluation& evaluation) {
  auto object = Napi::Object::New(env);
  const auto& predictions = evaluation.predictions;
  auto copy = Napi::Int32Array::New(env, predictions.numel());
  std::memcpy(copy.Data(), predictions.const_data_ptr(), predictions.nbytes());
  object.Set("correct", static_cast<double>(evaluation.correct));
  object.Set("total", static_cast<double>(evaluation.total));
  object.Set("loss", evaluation.loss);
  object.Set("predictions", copy);
  return object;
}

}  // namespace l2t::binding
