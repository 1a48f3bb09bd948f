#pragma once
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace l2t {

/// Where the time of an iteration goes, for `bench`. Host clock: on a device that runs ahead of the host a phase is
/// when its work was queued.
class Phases {
 public:
  void start() {
    seconds_.clear();
    last_ = Clock::now();
  }
  /// What ran since the last mark was `name`; a name may come again.
  void mark(const char* name) {
    const auto now = Clock::now();
    const double passed = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    for (auto& [known, seconds] : seconds_) {
      if (known == name) {
        seconds += passed;
        return;
      }
    }
    seconds_.emplace_back(name, passed);
  }
  [[nodiscard]] const std::vector<std::pair<std::string, double>>& seconds() const { return seconds_; }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
  std::vector<std::pair<std::string, double>> seconds_;
};

/// Marks where someone measures; nothing otherwise.
inline void mark(Phases* phases, const char* name) {
  if (phases != nullptr) phases->mark(name);
}

}  // namespace l2t
