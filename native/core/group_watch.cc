#ifdef USE_C10D_GLOO
#include "native/core/group_watch.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "native/core/error.h"

namespace l2t {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kBeat = 1s;
/// A rank that has not written for so long has ended or is stopped.
constexpr auto kSilence = 3500ms;
/// Looking for the rank to blame takes a little more than kSilence, where rank 0 answers.
constexpr auto kPatience = 8s;

std::string key(const char* what, int rank) { return std::string("l2t/") + what + "/" + std::to_string(rank); }

std::string read(c10d::Store& store, const std::string& name) {
  if (!store.check({name})) return {};
  const auto bytes = store.get(name);
  return {bytes.begin(), bytes.end()};
}

void write(c10d::Store& store, const std::string& name, const std::string& text) {
  store.set(name, std::vector<uint8_t>(text.begin(), text.end()));
}

std::string listed(const std::vector<int>& ranks) {
  std::string text;
  for (const int rank : ranks) text += (text.empty() ? "" : ", ") + std::to_string(rank);
  return (ranks.size() == 1 ? "Rank " : "Ranks ") + text;
}

constexpr const char* kFirstIsLost = "Rank 0 has ended or been stopped, or cannot be reached any more.";

/// A rank's last sign of life, and the number of its calls.
struct Sign {
  int64_t beat;
  int64_t calls;
};

std::vector<Sign> signs(const GroupConfig& config, c10d::Store& store) {
  std::vector<Sign> signs;
  for (int rank = 0; rank < config.size; ++rank) {
    const auto text = read(store, key("beat", rank));
    char* rest = nullptr;
    const int64_t beat = std::strtoll(text.c_str(), &rest, 10);
    signs.push_back({beat, std::strtoll(rest, nullptr, 10)});
  }
  return signs;
}

std::vector<int> ranks_where(const GroupConfig& config, const std::function<bool(int rank)>& test) {
  std::vector<int> ranks;
  for (int rank = 0; rank < config.size; ++rank) {
    if (test(rank)) ranks.push_back(rank);
  }
  return ranks;
}

/// Looks for the rank because of which a call failed.
std::string look(const GroupConfig& config, c10d::Store& store, const std::string& problem) {
  try {
    // A rank that failed by itself says so before it leaves, or a moment later.
    const auto before = signs(config, store);
    const auto until = Clock::now() + kSilence;
    do {
      for (int rank = 0; rank < config.size; ++rank) {
        if (const auto reason = read(store, key("failed", rank)); !reason.empty()) {
          return "Rank " + std::to_string(rank) + " failed: " + reason;
        }
      }
      std::this_thread::sleep_for(100ms);
    } while (Clock::now() < until);
    const auto after = signs(config, store);
    const auto silent = ranks_where(config, [&](int rank) { return after[rank].beat == before[rank].beat; });
    if (!silent.empty()) {
      return listed(silent) + (silent.size() == 1 ? " has" : " have") +
             " ended or been stopped. What was saved before is kept: a resume continues it.";
    }
    const auto fewest = std::min_element(after.begin(), after.end(), [](auto a, auto b) { return a.calls < b.calls; });
    const auto most = std::max_element(after.begin(), after.end(), [](auto a, auto b) { return a.calls < b.calls; });
    if (fewest->calls < most->calls) {
      const auto slow = ranks_where(config, [&](int rank) { return after[rank].calls == fewest->calls; });
      return listed(slow) + " kept the others waiting for more than " +
             std::to_string(static_cast<int64_t>(config.timeout)) + " s, the group's timeout.";
    }
  } catch (const std::exception&) {
    return kFirstIsLost;
  }
  return "The ranks lost their connection: " + problem.substr(0, problem.find('\n'));
}

}  // namespace

GroupWatch::GroupWatch(const GroupConfig& config, Store store, Store beats)
    : config_(config), store_(std::move(store)), beats_(std::move(beats)) {
  thread_ = std::thread([this] { beat(); });
}

GroupWatch::~GroupWatch() {
  {
    const std::scoped_lock lock(mutex_);
    over_ = true;
  }
  ended_.notify_all();
  thread_.join();
}

void GroupWatch::beat() {
  std::unique_lock lock(mutex_);
  for (int64_t n = 1; !over_; ++n) {
    try {
      write(*beats_, key("beat", config_.rank), std::to_string(n) + " " + std::to_string(calls_));
    } catch (const std::exception&) {
      return;  // rank 0 is gone: the next call of the group says so
    }
    ended_.wait_for(lock, kBeat, [this] { return over_; });
  }
}

void GroupWatch::wait_for_all() {
  const auto until = Clock::now() + std::chrono::duration<double>(config_.timeout);
  std::vector<int> missing;
  do {
    missing.clear();
    try {
      for (int rank = 0; rank < config_.size; ++rank) {
        if (read(*store_, key("beat", rank)).empty()) missing.push_back(rank);
      }
    } catch (const std::exception&) {
      throw Error("GROUP_FAILED", kFirstIsLost);
    }
    if (missing.empty()) return;
    std::this_thread::sleep_for(50ms);
  } while (Clock::now() < until);
  throw Error("GROUP_FAILED", listed(missing) + " of " + std::to_string(config_.size) + " did not join within " +
                                  std::to_string(static_cast<int64_t>(config_.timeout)) +
                                  " s: see what they say, and whether they can reach " + config_.host + ":" +
                                  std::to_string(config_.port) + ".");
}

void GroupWatch::fail(const std::string& reason) {
  if (lost_) return;
  try {
    write(*store_, key("failed", config_.rank), reason);
  } catch (const std::exception&) {
    return;  // rank 0 is gone, and the others know it
  }
}

std::string GroupWatch::blame(const std::string& problem) {
  // The store's calls wait for ever for a rank 0 that is stopped, so they must not hold up this thread.
  const auto answer = std::make_shared<std::promise<std::string>>();
  auto found = answer->get_future();
  std::thread([answer, config = config_, store = store_, problem] {
    answer->set_value(look(config, *store, problem));
  }).detach();
  if (found.wait_for(kPatience) == std::future_status::ready) return found.get();
  lost_ = true;
  return kFirstIsLost;
}

}  // namespace l2t
#endif
