#pragma once
#include <map>
#include <string>

namespace l2t {

/// A run's settings by name, as src/options/terms.ts declares them. Whatever uses a setting takes it once, when it is
/// made.
class Settings {
 public:
  Settings() = default;
  explicit Settings(const std::map<std::string, double>& values);

  /// Throws INVALID_OPTION where the setting is missing.
  double take(const std::string& name);
  /// Throws INVALID_OPTION, too, where it is no whole number from `low` to `high`.
  int take_whole(const std::string& name, int low, int high);
  /// Throws INVALID_OPTION where a setting was not taken: its name is wrong, or the method does not use it.
  void require_all_taken() const;

  /// The value of a setting that was taken.
  [[nodiscard]] double at(const std::string& name) const { return values_.at(name).number; }

 private:
  struct Value {
    double number;
    bool taken = false;
  };
  std::map<std::string, Value> values_;
};

}  // namespace l2t
