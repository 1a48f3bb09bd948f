#pragma once
#include <memory>
#include <string>
#include <vector>

#include "native/backends/backend.h"

/// Times an iteration on the CPU layer by layer, for tools and tests: the package's addon does not have it.
namespace l2t::backends {

/// How long one kind of work takes in an iteration. tools/timing/costs.ts says what it must do at least.
struct Layer {
  std::string part;   // source, unit, matching, loss, importance or vectors
  std::string sweep;  // forward, backward, tangent, tangent-backward; several at once, or another kind of step
  std::vector<std::vector<int64_t>> shapes{};  // of images; of a target map and its source maps; of a flat vector
  int64_t first = 0;                           // a unit's first operation; its last one makes its last output
  std::vector<int> inputs{};                   // the network's values that a unit reads
  std::vector<int> outputs{};                  // those that it makes
  std::vector<int> read{};                     // those of them that have cotangents
  double products = 0;  // of a unit or a source: multiplications of a forward sweep of one image, in the backend's form
  int64_t calls = 0;    // in an iteration
  double seconds = 0;   // of a call: the mean of an iteration, of the best iteration

  static void fields(auto& self, auto&& visit) {
    visit("part", self.part);
    visit("sweep", self.sweep);
    visit("shapes", self.shapes);
    visit("first", self.first);
    visit("inputs", self.inputs);
    visit("outputs", self.outputs);
    visit("read", self.read);
    visit("products", self.products);
    visit("calls", self.calls);
    visit("seconds", self.seconds);
  }
};

/// A backend that computes what another does, and times it by the host's clock: for the CPU, which computes within the
/// call.
class TimedBackend : public Backend {
 public:
  /// Ends an iteration.
  virtual void lap() = 0;
  /// The times of the iterations that have ended.
  [[nodiscard]] virtual std::vector<Layer> layers() const = 0;
};

/// `inner` must outlive it.
std::unique_ptr<TimedBackend> timed(const Backend& inner);

}  // namespace l2t::backends
