#pragma once
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace l2t {

/// Times the phases of an iteration, for `bench`. It reads the host's clock: on a GPU, which runs behind the host, a
/// phase is the time in which its work was queued.
class Phases {
 public:
  void start() {
    seconds_.clear();
    last_ = Clock::now();
  }
  /// Adds the time since the last mark to phase `name`.
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

/// Marks a phase; does nothing where `phases` is null.
inline void mark(Phases* phases, const char* name) {
  if (phases != nullptr) phases->mark(name);
}

}  // namespace l2t
