#pragma once
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace l2t {

/// The names of an enumeration's values, as the options spell them (src/options). Specialised beside each enumeration,
/// with a list `kAll` of pairs of a name and its value. binding/marshal.h reads enumerations by it.
template <class E>
struct Names;

/// An enumeration that has names.
template <class E>
concept HasNames = requires { Names<E>::kAll; };

/// The value of that name; none where no value has it.
template <HasNames E>
constexpr std::optional<E> named(std::string_view name) {
  for (const auto& [known, value] : Names<E>::kAll) {
    if (known == name) return value;
  }
  return std::nullopt;
}

template <HasNames E>
constexpr const char* name_of(E value) {
  for (const auto& [name, known] : Names<E>::kAll) {
    if (known == value) return name;
  }
  return "";
}

}  // namespace l2t
