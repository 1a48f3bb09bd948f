#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "native/backends/graphs.h"

namespace l2t::run {

/// Does the same work with new inputs, again and again. Where the device has graphs, the work is captured and replayed:
/// for each kind of step and each shape of the inputs, the first runs warm up, the next is captured, and from then on
/// it is replayed.
class CapturedStep {
 public:
  using Inputs = std::vector<at::Tensor>;
  /// Steps that move φ do more than those that do not.
  enum class Kind { kReal, kMeta };
  /// Returns the one tensor that is read afterwards; the work changes everything else in place.
  using Work = std::function<at::Tensor(Kind, const Inputs&)>;

  /// How often the work runs at a shape before it is captured: what CUDA graphs ask for.
  static constexpr int kWarmUps = 3;

  /// `graphs` null: nothing is captured.
  CapturedStep(std::unique_ptr<backends::Graphs> graphs, Work work);
  CapturedStep(const CapturedStep&) = delete;
  CapturedStep& operator=(const CapturedStep&) = delete;
  ~CapturedStep() { reset(); }

  /// The result is overwritten by the next run.
  at::Tensor run(Kind kind, const Inputs& inputs);

  /// The operations of all graphs so far.
  [[nodiscard]] size_t launches() const;

  /// Drops all captures and their memory.
  void reset();

 private:
  using Shapes = std::vector<std::vector<int64_t>>;
  /// The tensors that the graph of one kind and shape reads and writes, made before it.
  struct Fixed {
    Inputs inputs;
    at::Tensor result;
    int warm_ups = 0;
    std::optional<size_t> graph;
  };

  std::unique_ptr<backends::Graphs> graphs_;
  Work work_;
  std::map<std::pair<Kind, Shapes>, Fixed> fixed_;
};

}  // namespace l2t::run
