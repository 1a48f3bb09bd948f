#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "native/core/fields.h"
#include "native/core/interface.h"

namespace l2t {

/// The processes that compute one run together, each on its share of every batch: rank r of `size`. A group of one,
/// which is the default, does nothing and costs nothing.
///
/// All ranks make the same calls in the same order. Where a rank ends, or does not answer within the group's timeout,
/// the calls of the others throw GROUP_FAILED, which names that rank.
class Group : public Interface {
 public:
  /// Items `begin` to `end`, without `end`.
  struct Share {
    int64_t begin;
    int64_t end;

    [[nodiscard]] int64_t count() const { return end - begin; }
  };

  Group() = default;

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] bool alone() const { return size_ == 1; }
  /// Whether this rank adds what all ranks have alike to a sum, which must have it once.
  [[nodiscard]] bool first() const { return rank_ == 0; }

  /// This rank's of `count` items in order. The shares of two ranks differ by one item at most.
  [[nodiscard]] Share share(int64_t count) const { return {count * rank_ / size_, count * (rank_ + 1) / size_}; }

  /// Σ over the ranks, in place; the same bits on all of them.
  void sum(const at::Tensor& values) const;
  /// The same of several rows of numbers, in one call.
  void sum(std::vector<std::vector<double>>& rows) const;
  [[nodiscard]] double sum(double value) const;

  /// The rows of `count` images from each rank's rows, those of its share(count).
  [[nodiscard]] at::Tensor gather(const at::Tensor& rows, int64_t count) const;

  /// Overwrites the values with those of rank 0.
  void broadcast(const at::Tensor& values) const;

  /// The texts of all ranks, in their order.
  [[nodiscard]] std::vector<std::string> exchange(const std::string& text) const;

  /// What the calls so far have sent: how many, and the bytes of this rank's tensors.
  struct Traffic {
    int64_t calls = 0;
    int64_t bytes = 0;

    static void fields(auto& self, auto&& visit) {
      visit("calls", self.calls);
      visit("bytes", self.bytes);
    }
  };
  [[nodiscard]] const Traffic& traffic() const { return traffic_; }

 protected:
  Group(int rank, int size) : rank_(rank), size_(size) {}

  // Of contiguous tensors, called only in a group of several.
  virtual void all_reduce(const at::Tensor& /*values*/) const {}
  virtual void broadcast_from_first(const at::Tensor& /*values*/) const {}
  /// `all`: size × (the shape of `values`).
  virtual void all_gather(const at::Tensor& /*all*/, const at::Tensor& /*values*/) const {}

 private:
  void count(const at::Tensor& values) const;
  void in_place(const at::Tensor& values, void (Group::*call)(const at::Tensor&) const) const;

  int rank_ = 0;
  int size_ = 1;
  mutable Traffic traffic_;
};

/// The group of one process.
const Group& alone();

/// A batch whose images the ranks of a group share.
struct GroupBatch {
  const Group* group;
  int64_t images;  // of the whole batch
};

/// Where and how the ranks find each other.
struct GroupConfig {
  int rank;
  int size;
  std::string host;  // of rank 0
  int port;
  double timeout;  // seconds that a rank waits for the others

  static void fields(auto& self, auto&& visit) {
    visit("rank", self.rank, Whole{0, 65535});
    visit("size", self.size, Whole{1, 65536});
    visit("host", self.host);
    visit("port", self.port, Whole{1, 65535});
    visit("timeout", self.timeout, Within{1, 1e6});
  }
};

/// The group of this process and others; group_gloo.cc. Waits until all have joined. Throws GROUP_FAILED, which names
/// those that are missing, or DEVICE_UNAVAILABLE where this build has no c10d.
class JoinedGroup : public Group {
 public:
  using Group::Group;
  /// Tells the others why this rank leaves, for their messages.
  virtual void fail(const std::string& reason) = 0;
};
std::shared_ptr<JoinedGroup> join_group(const GroupConfig& config);

/// Whether this build can join a group.
bool has_groups();

}  // namespace l2t
