#include "binding/marshal.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <sstream>

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

const char* dtype_name(at::ScalarType type) {
  const auto* const found =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](const auto& known) { return known.second == type; });
  if (found == kDtypes.end()) throw Error("INTERNAL", "A tensor has a dtype that has no name here.");
  return found->first;
}

double number_of(const Napi::Value& value) {
  return value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::numeric_limits<double>::quiet_NaN();
}

template <class TypedArray>
TypedArray typed_at(const Napi::Value& value, const Location& location, napi_typedarray_type type, const char* want) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) location.refuse(want);
  return value.As<TypedArray>();
}

int64_t whole_at(const Napi::Value& value, const Location& location, Whole whole) {
  const double number = number_of(value);
  const bool fits = number >= static_cast<double>(whole.low) && number <= static_cast<double>(whole.high);
  if (!fits || number != std::floor(number)) {
    location.refuse("a whole number from " + std::to_string(whole.low) + " to " + std::to_string(whole.high));
  }
  return static_cast<int64_t>(number);
}

std::string bounds(Within within) {
  std::ostringstream text;
  text << " from " << within.low << " to " << within.high;
  return text.str();
}

}  // namespace

void read(const Napi::Value& value, const Location& location, double& member, Within within) {
  member = number_of(value);
  if (!(member >= within.low && member <= within.high)) location.refuse("a number" + bounds(within));
}

void read(const Napi::Value& value, const Location& location, int64_t& member, Whole whole) {
  member = whole_at(value, location, whole);
}

void read(const Napi::Value& value, const Location& location, uint64_t& member, Whole whole) {
  member = static_cast<uint64_t>(whole_at(value, location, whole));
}

void read(const Napi::Value& value, const Location& location, int& member, Whole whole) {
  member = static_cast<int>(whole_at(value, location, whole));
}

void read(const Napi::Value& value, const Location& location, bool& member) {
  if (!value.IsBoolean()) location.refuse("true or false");
  member = value.As<Napi::Boolean>().Value();
}

void read(const Napi::Value& value, const Location& location, std::string& member) {
  // Converting a symbol to text would fail.
  if (!value.IsString()) location.refuse("a string");
  member = value.As<Napi::String>().Utf8Value();
}

void read(const Napi::Value& value, const Location& location, std::array<double, 3>& member, Within within) {
  const std::string want = "three numbers" + bounds(within);
  const auto array = array_at(value, location);
  if (array.Length() != member.size()) location.refuse(want);
  for (uint32_t c = 0; c < member.size(); ++c) {
    member[c] = number_of(array.Get(c));
    if (!(member[c] >= within.low && member[c] <= within.high)) location.refuse(want);
  }
}

void read(const Napi::Value& value, const Location& location, std::vector<std::pair<int, int>>& member) {
  const auto* const want = "a list of pairs of feature indices";
  const auto array = array_at(value, location);
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value entry = array.Get(i);
    if (!entry.IsArray() || entry.As<Napi::Array>().Length() != 2) location.refuse(want);
    std::array<double, 2> indices{number_of(entry.As<Napi::Array>().Get(0U)),
                                  number_of(entry.As<Napi::Array>().Get(1U))};
    for (const double index : indices) {
      if (!(index >= 0 && index <= 10000) || index != std::floor(index)) location.refuse(want);
    }
    const std::pair<int, int> pair{static_cast<int>(indices[0]), static_cast<int>(indices[1])};
    if (std::find(member.begin(), member.end(), pair) != member.end()) location.refuse("without repetitions");
    member.push_back(pair);
  }
}

void read(const Napi::Value& value, const Location& location, std::map<std::string, double>& member) {
  const auto object = object_at(value, location);
  const auto names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const auto name = Napi::Value(names.Get(i)).ToString().Utf8Value();
    const auto entry = object.Get(name);
    if (entry.IsNumber()) read(entry, location.at(name), member[name]);
  }
}

void read(const Napi::Value& value, const Location& location, NamedTensor& member) {
  const auto object = object_at(value, location);
  read(object.Get("name"), location.at("name"), member.name);
  std::string dtype;
  read(object.Get("dtype"), location.at("dtype"), dtype);
  const auto* const type =
      std::find_if(kDtypes.begin(), kDtypes.end(), [&](const auto& known) { return known.first == dtype; });
  if (type == kDtypes.end()) location.at("dtype").refuse("a known type, not '" + dtype.substr(0, 20) + "'");
  const auto sides = array_at(object.Get("shape"), location.at("shape"));
  std::vector<int64_t> shape;
  double total = 1;
  double extent = 1;
  for (uint32_t i = 0; i < sides.Length(); ++i) {
    read(sides.Get(i), location.at("shape"), shape.emplace_back(), Whole{0, 1000000000000});
    total *= static_cast<double>(shape.back());
    extent *= std::max(static_cast<double>(shape.back()), 1.0);
  }
  // Strides are products of sides, so those of an empty tensor can overflow, too.
  if (extent > 1e15) location.at("shape").refuse("of fewer than 1e15 elements");
  const auto bytes = bytes_at(object.Get("data"), location.at("data"));
  if (total * static_cast<double>(c10::elementSize(type->second)) != static_cast<double>(bytes.ByteLength())) {
    location.at("data").refuse("as long as shape and dtype say");
  }
  member.tensor = at::empty(shape, type->second);
  if (bytes.ByteLength() > 0) std::memcpy(member.tensor.mutable_data_ptr(), bytes.Data(), bytes.ByteLength());
}

void read(const Napi::Value& value, const Location& location, data::ImageSet& member) {
  const auto object = object_at(value, location);
  read(object.Get("size"), location.at("size"), member.size, kSides);
  const auto labels =
      typed_at<Napi::Int32Array>(object.Get("labels"), location.at("labels"), napi_int32_array, "an Int32Array");
  const auto count = static_cast<int64_t>(labels.ElementLength());
  auto* label = const_cast<int32_t*>(labels.Data());  // from_blob wants non-const; nothing writes
  member.labels = at::from_blob(label, {count}, at::kInt).to(at::kLong);
  if (object.Get("pixels").IsUndefined()) return;
  const auto pixels = bytes_at(object.Get("pixels"), location.at("pixels"));
  const auto side = member.size;
  if (static_cast<int64_t>(pixels.ByteLength()) != count * side * side * 3)
    location.at("pixels").refuse("labels x size x size x 3 bytes");
  location.keep->push_back(Napi::Reference<Napi::Value>::New(pixels, 1));
  member.pixels = at::from_blob(const_cast<uint8_t*>(pixels.Data()), {count, side, side, 3}, at::kByte);
}

Napi::Object object_at(const Napi::Value& value, const Location& location) {
  if (!value.IsObject()) location.refuse("an object");
  return value.As<Napi::Object>();
}

Napi::Array array_at(const Napi::Value& value, const Location& location) {
  if (!value.IsArray()) location.refuse("an array");
  return value.As<Napi::Array>();
}

Napi::Uint8Array bytes_at(const Napi::Value& value, const Location& location, const char* want) {
  return typed_at<Napi::Uint8Array>(value, location, napi_uint8_array, want);
}

Napi::Value write(Napi::Env env, const std::pair<int, int>& value) {
  return write(env, std::vector{value.first, value.second});
}

Napi::Value write(Napi::Env env, const at::Tensor& value) {
  if (!value.defined()) return env.Undefined();
  const auto copied = [&](auto array) {
    std::memcpy(array.Data(), value.const_data_ptr(), value.nbytes());
    return array;
  };
  if (value.scalar_type() == at::kDouble) return copied(Napi::Float64Array::New(env, value.numel()));
  if (value.scalar_type() == at::kFloat) return copied(Napi::Float32Array::New(env, value.numel()));
  return copied(Napi::Int32Array::New(env, value.numel()));
}

Napi::Value write(Napi::Env env, const NamedTensor& value) {
  const auto& [name, tensor] = value;
  // The finaliser's copy of the tensor owns the memory.
  const auto buffer = Napi::ArrayBuffer::New(env, tensor.mutable_data_ptr(), tensor.nbytes(),
                                             [held = tensor](Napi::Env /*env*/, void* /*data*/) {});
  auto object = Napi::Object::New(env);
  object.Set("name", name);
  object.Set("dtype", dtype_name(tensor.scalar_type()));
  object.Set("shape", write(env, tensor.sizes().vec()));
  object.Set("data", Napi::Uint8Array::New(env, tensor.nbytes(), buffer, 0));
  return object;
}

}  // namespace l2t::binding
