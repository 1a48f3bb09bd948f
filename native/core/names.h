#pragma once
#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace l2t {

/// An enumeration whose values have names, as the options spell them (src/options). Beside it stands a function
///
///     constexpr auto names_of(E) { return std::array{"name of the first value", …}; }
///
/// binding/marshal.h reads enumerations by it.
template <class E>
concept HasNames = requires(E value) { names_of(value); };

/// The value of that name; none where no value has it.
template <HasNames E>
constexpr std::optional<E> named(std::string_view name) {
  const auto names = names_of(E());
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? std::nullopt : std::optional(static_cast<E>(found - names.begin()));
}

template <HasNames E>
constexpr const char* name_of(E value) {
  return names_of(value)[static_cast<size_t>(value)];
}

}  // namespace l2t
