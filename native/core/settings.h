#pragma once
#include <map>
#include <string>
#include <utility>

namespace l2t {

/// The numbers of a run's spec by name (src/options): those of the method's terms and meta-networks among them.
class Settings {
 public:
  Settings() = default;
  explicit Settings(std::map<std::string, double> values) : values_(std::move(values)) {}

  /// Throws INVALID_OPTION where there is no number of that name.
  [[nodiscard]] double at(const std::string& name) const;
  /// Throws INVALID_OPTION, too, where it is no whole number from 1 that fits.
  [[nodiscard]] int count(const std::string& name) const;

 private:
  std::map<std::string, double> values_;
};

}  // namespace l2t
