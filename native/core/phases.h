#pragma once
#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace l2t {

/// Times the phases of an iteration, for `bench`. On a CPU it reads the host's clock. Any other device runs behind the
/// host, so there it records events in the device's stream.
class Phases {
 public:
  explicit Phases(c10::Device device) : device_(device) {}

  void start();
  /// Adds the time since the last mark to phase `name`.
  void mark(const char* name);
  /// The phases since start(), in order. Waits until the device has computed the last.
  [[nodiscard]] std::vector<std::pair<std::string, double>> seconds() const;

 private:
  struct Moment {
    std::chrono::steady_clock::time_point host;
    std::optional<c10::Event> event;
  };
  [[nodiscard]] Moment now() const;
  [[nodiscard]] static double seconds_between(const Moment& from, const Moment& to);

  c10::Device device_;
  Moment start_{};
  std::vector<std::pair<const char*, Moment>> marks_;
};

/// Marks a phase; does nothing where `phases` is null.
inline void mark(Phases* phases, const char* name) {
  if (phases != nullptr) phases->mark(name);
}

}  // namespace l2t
