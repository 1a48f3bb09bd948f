#pragma once
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "native/core/error.h"

namespace l2t {

/// The numbers of a run's spec by name (src/options): those of the method's terms and meta-networks among them.
class Settings {
 public:
  Settings() = default;
  explicit Settings(std::map<std::string, double> values) : values_(std::move(values)) {}

  /// Throws INVALID_OPTION where there is no number of that name.
  [[nodiscard]] double at(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) throw Error("INVALID_OPTION", name + " is missing: it must be a number.");
    return found->second;
  }
  /// Throws INVALID_OPTION, too, where it is no whole number from 1 that fits.
  [[nodiscard]] int count(const std::string& name) const {
    const double value = at(name);
    if (value == std::floor(value) && value >= 1 && value <= std::numeric_limits<int>::max()) {
      return static_cast<int>(value);
    }
    throw Error("INVALID_OPTION", name + " must be a whole number from 1.");
  }

 private:
  std::map<std::string, double> values_;
};

}  // namespace l2t
