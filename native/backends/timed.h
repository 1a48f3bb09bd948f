#pragma once
#include <map>
#include <string>
#include <vector>

#include "native/backends/cost.h"

namespace l2t::backends {

/// How long one kind of work takes in an iteration.
struct Timing {
  std::string part;                     // unit, matching, source, loss, importance or vectors
  std::string name;                     // of a unit, its shape: "64→128 @16"
  std::vector<std::string> operations;  // that a unit fuses
  std::string sweep;
  int64_t calls;   // in an iteration
  double seconds;  // of a call: the mean of an iteration, of the best iteration
  double flop;     // of a call, at least
  double bytes;

  static void fields(auto& self, auto&& visit) {
    visit("part", self.part);
    visit("name", self.name);
    visit("operations", self.operations);
    visit("sweep", self.sweep);
    visit("calls", self.calls);
    visit("seconds", self.seconds);
    visit("flop", self.flop);
    visit("bytes", self.bytes);
  }
};

/// Seconds by kind of work, of whole iterations.
class Stopwatch {
 public:
  enum class Section { kSource, kUnit, kMatching, kLoss, kImportance, kVectors };

  /// Where a timing stands in the table: by section, then by place in it, then by sweep.
  struct Place {
    Section section;
    size_t index;
    size_t sweep;

    [[nodiscard]] auto operator<=>(const Place&) const = default;
  };

  struct What {
    std::string name;
    std::vector<std::string> operations;
    std::string sweep;
    Cost cost;
  };

  void add(const Place& place, const What& what, double seconds);
  /// Ends an iteration.
  void lap();
  /// Of the iterations that have ended, in the table's order.
  [[nodiscard]] std::vector<Timing> timings() const;

 private:
  struct Entry {
    Timing best;
    int64_t calls = 0;  // of this iteration
    double seconds = 0;
  };
  std::map<Place, Entry> entries_;
};

constexpr auto names_of(Stopwatch::Section) {
  return std::array{"source", "unit", "matching", "loss", "importance", "vectors"};
}

/// A backend that computes what another does, and times it by the host's clock: for the CPU, which computes within the
/// call.
class Timed final : public Backend {
 public:
  explicit Timed(const Backend& inner) : inner_(inner) {}

  [[nodiscard]] Stopwatch& stopwatch() const { return stopwatch_; }

  [[nodiscard]] const char* name() const override { return inner_.name(); }
  [[nodiscard]] std::vector<Step> units(const Part& part) const override;
  [[nodiscard]] double products_share(const nets::Conv2d& conv, const std::vector<int64_t>& shape,
                                      int64_t side) const override {
    return inner_.products_share(conv, shape, side);
  }
  [[nodiscard]] nets::Activations infer(const nets::Network& network, Tensors parameters, Tensors buffers,
                                        const at::Tensor& x) const override;
  [[nodiscard]] CrossEntropy cross_entropy(const at::Tensor& z, const ops::Labels& labels) const override;
  [[nodiscard]] at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot,
                                                          const ops::Labels& labels) const override;
  [[nodiscard]] ops::Importance importance(const at::Tensor& s, const ops::ImportanceNetworks& networks) const override;
  void importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const ops::Importance& importance,
                           double scale, const ops::ImportanceNetworks& bar) const override;
  [[nodiscard]] std::unique_ptr<MatchedMap> matched_map(const std::vector<at::Tensor>& sources,
                                                        const at::Tensor& coefficient,
                                                        const at::Tensor& t) const override;
  [[nodiscard]] MatchingSweep matching_gradient(const MatchingInputs& maps, const Pointwise& branches) const override {
    return inner_.matching_gradient(maps, branches);
  }
  [[nodiscard]] MatchingSweep matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot,
                                               const Pointwise& branches, const Pointwise& branches_dot,
                                               bool product) const override {
    return inner_.matching_tangent(maps, t_dot, branches, branches_dot, product);
  }
  void sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
                const at::Tensor& next_theta, const at::Tensor& next_velocity) const override;
  [[nodiscard]] at::Tensor sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b) const override;
  void adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient,
                 const AdamState& state) const override;

 private:
  [[nodiscard]] size_t matched(const std::string& name) const;

  const Backend& inner_;
  mutable Stopwatch stopwatch_;
  mutable std::vector<std::string> matched_;  // target maps, in order of appearance
};

}  // namespace l2t::backends
