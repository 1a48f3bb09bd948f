#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "native/core/side_stream.h"

namespace l2t::run {

/// A step whose numbers may still be on the device.
struct LoggedStep {
  int64_t epoch;
  int64_t step;    // within the epoch, from 0
  int64_t images;  // of its batch
  bool meta;       // true: it moves φ
};

/// Hands each step's row of numbers to the host, in order, without a wait in every step. On a GPU the rows gather on
/// the device; each interval is copied as one and read when the next is full. On a CPU each row is read at once.
class StepLog {
 public:
  /// `row`: on the CPU.
  using Read = std::function<void(const LoggedStep& step, const at::Tensor& row)>;

  StepLog(c10::Device device, Read read);

  /// `row`: a vector, of the same length each time. Hands over what is due; `read` may throw.
  void add(const LoggedStep& step, const at::Tensor& row);

  /// Waits for all steps so far and hands over the rest.
  void flush();

 private:
  /// Rows on their way to the host.
  struct Interval {
    std::vector<LoggedStep> steps;
    SideStream::Download rows;
  };
  void send();
  void receive();

  SideStream stream_;
  size_t length_;  // steps of an interval
  size_t behind_;  // intervals that may be on their way
  Read read_;
  at::Tensor rows_;  // length_ × row; undefined: none yet
  std::vector<LoggedStep> steps_;
  std::deque<Interval> sent_;
};

}  // namespace l2t::run
