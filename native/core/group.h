#pragma once
#include <memory>
#include <string>
#include <vector>

#include "native/core/fields.h"
#include "native/core/reducer.h"

namespace l2t {

/// How the ranks find each other.
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

/// The ranks that have joined, as one of them sees them.
class JoinedGroup : public Reducer {
 public:
  using Reducer::Reducer;
  /// The texts of all ranks, in their order.
  [[nodiscard]] virtual std::vector<std::string> exchange(const std::string& text) const = 0;
  /// Tells the others why this rank leaves, for their messages.
  virtual void fail(const std::string& reason) = 0;
};

/// Waits until all ranks have joined. Throws GROUP_FAILED, which names those that are missing, or DEVICE_UNAVAILABLE
/// where this build has no c10d.
std::shared_ptr<JoinedGroup> join_group(const GroupConfig& config);

/// Checks whether this build can join a group.
bool has_groups();

}  // namespace l2t
