#include "native/core/settings.h"

#include <cmath>

#include "native/core/error.h"

namespace l2t {

Settings::Settings(const std::map<std::string, double>& values) {
  for (const auto& [name, number] : values) values_[name] = {number};
}

double Settings::take(const std::string& name) {
  const auto found = values_.find(name);
  if (found == values_.end()) throw Error("INVALID_OPTION", "settings." + name + " is missing: it must be a number.");
  found->second.taken = true;
  return found->second.number;
}

int Settings::take_whole(const std::string& name, int low, int high) {
  const double value = take(name);
  if (value == std::floor(value) && value >= low && value <= high) return static_cast<int>(value);
  throw Error("INVALID_OPTION", "settings." + name + " must be a whole number from " + std::to_string(low) + " to " +
                                    std::to_string(high) + ".");
}

void Settings::require_all_taken() const {
  for (const auto& [name, value] : values_) {
    if (!value.taken) throw Error("INVALID_OPTION", "settings." + name + " is unused: leave it out.");
  }
}

}  // namespace l2t
