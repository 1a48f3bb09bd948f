#pragma once
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "native/core/group.h"

namespace l2t {

/// Watches the ranks through the store that rank 0 serves: each writes a sign of life there every second, so
/// that a call which fails can name the rank that ended, stopped or fell behind.
class GroupWatch {
 public:
  using Store = c10::intrusive_ptr<c10d::Store>;

  /// `beats`: a second connection, because a store's calls wait for each other.
  GroupWatch(const GroupConfig& config, Store store, Store beats);
  GroupWatch(const GroupWatch&) = delete;
  GroupWatch& operator=(const GroupWatch&) = delete;
  ~GroupWatch();

  [[nodiscard]] const Store& store() const { return store_; }

  /// Waits until every rank is there. Throws GROUP_FAILED, which names those that are missing.
  void wait_for_all();
  /// A call of the group is done.
  void mark_call() { ++calls_; }
  /// Tells the other ranks why this one leaves.
  void fail(const std::string& reason);
  /// A sentence that names the rank because of which a call failed; `problem`: what c10d said.
  std::string blame(const std::string& problem);

 private:
  void beat();

  GroupConfig config_;
  Store store_;
  Store beats_;
  std::atomic<int64_t> calls_ = 0;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::atomic<bool> lost_ = false;  // rank 0 does not answer
  std::thread thread_;
};

}  // namespace l2t
