#include "native/core/settings.h"

#include <cmath>
#include <limits>

#include "native/core/error.h"

namespace l2t {

double Settings::at(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw Error("INVALID_OPTION", name + " is missing: it must be a number.");
  return found->second;
}

int Settings::count(const std::string& name) const {
  const double value = at(name);
  if (value == std::floor(value) && value >= 1 && value <= std::numeric_limits<int>::max()) {
    return static_cast<int>(value);
  }
  throw Error("INVALID_OPTION", name + " must be a whole number from 1.");
}

}  // namespace l2t
