#pragma once
#include <cmath>
#include <cstdint>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "test/native/device/counts.h"

/// Writes what the program measures. Its texts need no escapes.
namespace l2t::test {

inline std::string json(const std::string& text) { return '"' + text + '"'; }
inline std::string json(bool value) { return value ? "true" : "false"; }

/// A number that is not finite becomes null.
template <class T>
  requires std::is_arithmetic_v<T>
std::string json(T number) {
  if (!std::isfinite(static_cast<double>(number))) return "null";
  std::ostringstream text;
  text.precision(17);
  text << number;
  return text.str();
}

template <class T>
std::string json(const std::vector<T>& values) {
  std::string text;
  for (const auto& value : values) text += (text.empty() ? "" : ",") + json(value);
  return '[' + text + ']';
}

class JsonObject {
 public:
  template <class T>
  JsonObject& add(const std::string& name, const T& value) {
    text_ += (text_.empty() ? "" : ",") + json(name) + ':' + json(value);
    return *this;
  }
  [[nodiscard]] std::string text() const { return '{' + text_ + '}'; }

 private:
  std::string text_;
};

inline std::string json(const JsonObject& object) { return object.text(); }

inline std::string json(const Counts& counts) {
  JsonObject by_name;
  for (const auto& [name, count] : counts.operations) by_name.add(name, count);
  return JsonObject()
      .add("operations", counts.total())
      .add("copies", counts.copies)
      .add("uploads", counts.uploads)
      .add("downloads", counts.downloads)
      .add("waits", counts.waits)
      .add("strays", counts.strays)
      .add("byName", by_name)
      .text();
}

}  // namespace l2t::test
