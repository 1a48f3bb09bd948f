#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "native/core/interface.h"

namespace l2t {

/// Adds up and gathers what the processes of one run compute, each on its share of every batch: rank r of `size`. This
/// class itself is for a run in a single process: its calls do nothing and cost nothing.
///
/// All ranks make the same calls in the same order. If a rank ends, or does not answer within the timeout, the calls of
/// the others throw GROUP_FAILED, which names that rank.
class Reducer : public Interface {
 public:
  /// Items `begin` to `end`, without `end`.
  struct Share {
    int64_t begin;
    int64_t end;

    [[nodiscard]] int64_t count() const { return end - begin; }
  };

  Reducer() = default;

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] bool single() const { return size_ == 1; }
  /// Returns true on the one rank that adds a value which all ranks have to a sum.
  [[nodiscard]] bool first() const { return rank_ == 0; }

  /// This rank's share of `count` items in order. The shares of two ranks differ by one item at most.
  [[nodiscard]] Share share(int64_t count) const { return {count * rank_ / size_, count * (rank_ + 1) / size_}; }

  /// Σ over the ranks, in place; the same bits on all of them.
  void sum(const at::Tensor& values) const;
  /// Sums several rows of numbers in one call.
  void sum(std::vector<std::vector<double>>& rows) const;
  [[nodiscard]] double sum(double value) const;

  /// Gathers the rows of `count` images; each rank gives those of its share(count).
  [[nodiscard]] at::Tensor gather(const at::Tensor& rows, int64_t count) const;

  /// Overwrites the values with those of rank 0.
  void broadcast(const at::Tensor& values) const;

  /// The number of calls so far, and the bytes of this rank's tensors that they sent.
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
  Reducer(int rank, int size) : rank_(rank), size_(size) {}

  // For contiguous tensors, called only among several ranks.
  virtual void all_reduce(const at::Tensor& /*values*/) const {}
  virtual void broadcast_from_first(const at::Tensor& /*values*/) const {}
  /// `all`: size × (the shape of `values`).
  virtual void all_gather(const at::Tensor& /*all*/, const at::Tensor& /*values*/) const {}

 private:
  void count(const at::Tensor& values) const;
  void in_place(const at::Tensor& values, void (Reducer::*call)(const at::Tensor&) const) const;

  int rank_ = 0;
  int size_ = 1;
  mutable Traffic traffic_;
};

/// The reducer of a run in a single process.
const Reducer& single_process();

/// A batch that the ranks share. With two kinds of images, with labels and without, a rank has as many of one as of the
/// other.
struct SharedBatch {
  const Reducer* reducer;
  int64_t images;  // of the whole batch
  int64_t kinds = 1;

  [[nodiscard]] int64_t labelled() const { return images / kinds; }
  /// This rank's images in the order of `gather`.
  [[nodiscard]] Reducer::Share share() const;
  /// The rows of all images, rank by rank, from each rank's rows: B × …
  [[nodiscard]] at::Tensor gather(const at::Tensor& rows) const;
};

}  // namespace l2t
