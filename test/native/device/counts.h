#pragma once
#include <c10/core/Device.h>

#include <cstdint>
#include <map>
#include <string>

/// Counts of a program's requests to the fake device.
namespace l2t::test {

struct Counts {
  /// Calls by name: LibTorch's operations and own kernels. Views and new empty tensors are not counted.
  std::map<std::string, int64_t> operations;
  /// Copies from the device to the device.
  int64_t copies = 0;
  /// Host round trips: from the host to the device, and back.
  int64_t uploads = 0;
  int64_t downloads = 0;
  /// How often the host waited for the device: copies that block, reads of a value, synchronisations.
  int64_t waits = 0;
  /// Memory taken on another device than the one under test.
  int64_t strays = 0;

  [[nodiscard]] int64_t total() const;
};

/// Returns the counts since the last reset, on all threads.
Counts counts();
void reset_counts();

/// One operation while it lives. Operations and copies inside it belong to it and are not counted.
class Operation {
 public:
  explicit Operation(const std::string& name);
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation();
};

/// Each does nothing inside an operation.
void count_copy(c10::Device from, c10::Device to);
void count_wait();
void count_memory(c10::Device device);

}  // namespace l2t::test
