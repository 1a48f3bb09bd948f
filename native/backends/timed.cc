#include "native/backends/timed.h"

#include <c10/util/ScopeExit.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace l2t::backends {
namespace {

using Section = Stopwatch::Section;

/// Runs `work` and adds the time that it took.
template <class Work>
auto timed(Stopwatch& stopwatch, const Stopwatch::Place& place, const Stopwatch::What& what, const Work& work) {
  using Clock = std::chrono::steady_clock;
  const auto ended = c10::make_scope_exit([&, start = Clock::now()] {
    stopwatch.add(place, what, std::chrono::duration<double>(Clock::now() - start).count());
  });
  return work();
}

class TimedUnit final : public Unit {
 public:
  TimedUnit(std::unique_ptr<Unit> inner, Stopwatch& stopwatch, size_t index, UnitCost cost)
      : inner_(std::move(inner)), stopwatch_(stopwatch), index_(index), cost_(std::move(cost)) {}

  Values forward(Values x, Tensors theta, const Values* running) override {
    return in(Sweep::kForward, [&] { return inner_->forward(std::move(x), theta, running); });
  }
  Values backward(Values y_bar, Tensors theta_bar) override {
    return in(Sweep::kBackward, [&] { return inner_->backward(std::move(y_bar), theta_bar); });
  }
  Values tangent(Values x_dot, Tensors theta_dot) override {
    return in(Sweep::kTangent, [&] { return inner_->tangent(std::move(x_dot), theta_dot); });
  }
  Values tangent_backward(Values y_bar_dot, Tensors theta_bar_dot) override {
    return in(Sweep::kTangentBackward, [&] { return inner_->tangent_backward(std::move(y_bar_dot), theta_bar_dot); });
  }

 private:
  template <class Work>
  Values in(Sweep sweep, const Work& work) {
    static constexpr std::array kNames{"forward", "backward", "tangent", "tangent-backward"};
    const auto k = static_cast<size_t>(sweep);
    return timed(stopwatch_, {Section::kUnit, index_, k}, {cost_.name, cost_.operations, kNames[k], cost_.sweeps[k]},
                 work);
  }

  std::unique_ptr<Unit> inner_;
  Stopwatch& stopwatch_;
  size_t index_;
  UnitCost cost_;
};

/// A target map's place in the table, and the cost of its sweeps.
struct Matched {
  Stopwatch& stopwatch;
  size_t index;
  MatchingCost cost;
};

class TimedPoint final : public MatchingPoint {
 public:
  TimedPoint(std::unique_ptr<MatchingPoint> inner, const Matched& matched)
      : inner_(std::move(inner)), matched_(matched) {}

  MatchingSweep gradient() override {
    const auto& [stopwatch, index, cost] = matched_;
    return timed(stopwatch, {Section::kMatching, index, 1}, {cost.name(), {}, "forward, backward", cost.gradient()},
                 [&] { return inner_->gradient(); });
  }
  MatchingSweep tangent(const at::Tensor& t_dot, const Pointwise& branches_dot, bool product) override {
    const auto& [stopwatch, index, cost] = matched_;
    return timed(stopwatch, {Section::kMatching, index, product ? size_t{3} : size_t{2}},
                 {cost.name(), {}, product ? "tangent, tangent-backward" : "tangent", cost.tangent(product)},
                 [&] { return inner_->tangent(t_dot, branches_dot, product); });
  }

 private:
  std::unique_ptr<MatchingPoint> inner_;
  Matched matched_;
};

class TimedMap final : public MatchedMap {
 public:
  TimedMap(std::unique_ptr<MatchedMap> inner, const Matched& matched) : inner_(std::move(inner)), matched_(matched) {}

  [[nodiscard]] std::unique_ptr<MatchingPoint> at(const at::Tensor& t, const Pointwise& branches) const override {
    return std::make_unique<TimedPoint>(inner_->at(t, branches), matched_);
  }

 private:
  std::unique_ptr<MatchedMap> inner_;
  Matched matched_;
};

/// Of flat vectors that are read or written `times` times in all.
Cost vectors_cost(const at::Tensor& vector, double times) { return {0, times * static_cast<double>(vector.nbytes())}; }

}  // namespace

void Stopwatch::add(const Place& place, const What& what, double seconds) {
  const auto& [name, operations, sweep, cost] = what;
  const Timing none{name_of(place.section), name, operations, sweep, 0, 0, cost.flop, cost.bytes};
  auto& entry = entries_.try_emplace(place, Entry{none}).first->second;
  entry.calls += 1;
  entry.seconds += seconds;
}

void Stopwatch::lap() {
  for (auto& [place, entry] : entries_) {
    if (entry.calls == 0) continue;
    const double seconds = entry.seconds / static_cast<double>(entry.calls);
    if (entry.best.calls == 0 || seconds < entry.best.seconds) {
      entry.best.seconds = seconds;
      entry.best.calls = entry.calls;
    }
    entry.calls = 0;
    entry.seconds = 0;
  }
}

std::vector<Timing> Stopwatch::timings() const {
  std::vector<Timing> timings;
  for (const auto& [place, entry] : entries_) timings.push_back(entry.best);
  return timings;
}

std::vector<Step> Timed::units(const backends::Part& part) const {
  auto steps = inner_.units(part);
  auto costs = unit_costs(part, steps, inner_);
  for (size_t k = 0; k < steps.size(); ++k) {
    steps[k].unit = std::make_unique<TimedUnit>(std::move(steps[k].unit), stopwatch_, k, std::move(costs[k]));
  }
  return steps;
}

nets::Activations Timed::infer(const nets::Network& network, Tensors parameters, Tensors buffers,
                               const at::Tensor& x) const {
  const auto name = network.name + " @" + std::to_string(x.size(2));
  return timed(stopwatch_, {Section::kSource, 0, 0}, {name, {}, "forward", inference_cost(network, x, inner_)},
               [&] { return inner_.infer(network, parameters, buffers, x); });
}

CrossEntropy Timed::cross_entropy(const at::Tensor& z, const ops::Labels& labels) const {
  return timed(stopwatch_, {Section::kLoss, 0, 0}, {"cross-entropy", {}, "forward, backward", {}},
               [&] { return inner_.cross_entropy(z, labels); });
}

at::Tensor Timed::cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot,
                                                 const ops::Labels& labels) const {
  return timed(stopwatch_, {Section::kLoss, 0, 1}, {"cross-entropy", {}, "tangent-backward", {}},
               [&] { return inner_.cross_entropy_tangent_backward(log_p, z_dot, labels); });
}

ops::Importance Timed::importance(const at::Tensor& s, const ops::ImportanceNetworks& networks) const {
  return timed(stopwatch_, {Section::kImportance, 0, 0}, {"w and λ", {}, "forward", {}},
               [&] { return inner_.importance(s, networks); });
}

void Timed::importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const ops::Importance& importance,
                                double scale, const ops::ImportanceNetworks& bar) const {
  timed(stopwatch_, {Section::kImportance, 0, 1}, {"w and λ", {}, "backward", {}},
        [&] { inner_.importance_backward(k_bar, s, importance, scale, bar); });
}

size_t Timed::matched(const std::string& name) const {
  auto at = std::find(matched_.begin(), matched_.end(), name);
  if (at == matched_.end()) at = matched_.insert(at, name);
  return static_cast<size_t>(at - matched_.begin());
}

std::unique_ptr<MatchedMap> Timed::matched_map(const std::vector<at::Tensor>& sources, const at::Tensor& coefficient,
                                               const at::Tensor& t) const {
  const MatchingCost cost(t, sources);
  const auto index = matched(cost.name());
  return timed(stopwatch_, {Section::kMatching, index, 0}, {cost.name(), {}, "of a batch", {}}, [&] {
    return std::make_unique<TimedMap>(inner_.matched_map(sources, coefficient, t), Matched{stopwatch_, index, cost});
  });
}

void Timed::sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
                     const at::Tensor& next_theta, const at::Tensor& next_velocity) const {
  timed(stopwatch_, {Section::kVectors, 0, 0}, {"θ", {}, "SGD", vectors_cost(theta, 5)},
        [&] { inner_.sgd_step(sgd, theta, velocity, gradient, next_theta, next_velocity); });
}

at::Tensor Timed::sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b) const {
  return timed(stopwatch_, {Section::kVectors, 0, 1}, {"θ", {}, "SGD's adjoint", vectors_cost(a, 5)},
               [&] { return inner_.sgd_adjoint(sgd, a, b); });
}

void Timed::adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient,
                      const AdamState& state) const {
  timed(stopwatch_, {Section::kVectors, 1, 0}, {"φ", {}, "Adam", vectors_cost(phi, 7)},
        [&] { inner_.adam_step(adam, phi, gradient, state); });
}

}  // namespace l2t::backends
