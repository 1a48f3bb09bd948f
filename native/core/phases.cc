#include "native/core/phases.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

namespace l2t {

void Phases::start() {
  marks_.clear();
  start_ = now();
}

void Phases::mark(const char* name) { marks_.emplace_back(name, now()); }

std::vector<std::pair<std::string, double>> Phases::seconds() const {
  if (!marks_.empty()) {
    if (const auto& computed = marks_.back().second.event) computed->synchronize();
  }
  std::vector<std::pair<std::string, double>> phases;
  const auto* last = &start_;
  for (const auto& [name, moment] : marks_) {
    const auto same = [&name = name](const auto& phase) { return phase.first == name; };
    auto phase = std::find_if(phases.begin(), phases.end(), same);
    if (phase == phases.end()) phase = phases.insert(phases.end(), {name, 0.0});
    phase->second += seconds_between(*last, moment);
    last = &moment;
  }
  return phases;
}

Phases::Moment Phases::now() const {
  if (device_.is_cpu()) return {std::chrono::steady_clock::now(), std::nullopt};
  // By default, LibTorch's events keep no time.
  c10::Event event(device_.type(), c10::EventFlag::BACKEND_DEFAULT);
  event.record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  return {{}, std::move(event)};
}

double Phases::seconds_between(const Moment& from, const Moment& to) {
  constexpr double kMillisecond = 1e-3;
  if (from.event && to.event) return kMillisecond * from.event->elapsedTime(*to.event);
  return std::chrono::duration<double>(to.host - from.host).count();
}

}  // namespace l2t
