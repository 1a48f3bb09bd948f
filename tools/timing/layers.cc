#include "tools/timing/layers.h"

#include <c10/util/ScopeExit.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

#include "native/backends/cpu/form.h"

namespace l2t::backends {
namespace {

enum class Section { kSource, kUnit, kMatching, kLoss, kImportance, kVectors };
constexpr auto names_of(Section) { return std::array{"source", "unit", "matching", "loss", "importance", "vectors"}; }
/// A layer's place in the table: its section, its number there, and its sweep's.
using Place = std::tuple<Section, size_t, size_t>;
/// The shapes of a target map and of its source maps.
using Shapes = std::vector<std::vector<int64_t>>;

/// Seconds by kind of work, of whole iterations.
class Stopwatch {
 public:
  /// Runs `work` and adds the time that it took. `what`: a layer without times.
  template <class Work>
  auto time(const Place& place, const Layer& what, const Work& work) {
    using Clock = std::chrono::steady_clock;
    const auto ended = c10::make_scope_exit([&, start = Clock::now()] {
      auto& entry = entries_.try_emplace(place, Entry{what}).first->second;
      entry.calls += 1;
      entry.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    });
    return work();
  }

  void lap() {
    for (auto& [place, entry] : entries_) {
      auto& [best, calls, sum] = entry;
      if (calls == 0) continue;
      const double seconds = sum / static_cast<double>(calls);
      if (best.calls == 0 || seconds < best.seconds) {
        best.seconds = seconds;
        best.calls = calls;
      }
      calls = 0;
      sum = 0;
    }
  }

  [[nodiscard]] std::vector<Layer> layers() const {
    std::vector<Layer> layers;
    for (const auto& [place, entry] : entries_) {
      layers.push_back(entry.best);
      layers.back().part = name_of(std::get<Section>(place));
    }
    return layers;
  }

 private:
  struct Entry {
    Layer best;
    int64_t calls = 0;  // of this iteration
    double seconds = 0;
  };
  std::map<Place, Entry> entries_;
};

/// Multiplications of a forward sweep of one image of side `size` through operations `begin` to `end`, in the form that
/// the backend takes.
double products(const Backend& backend, const nets::Network& network, size_t begin, size_t end, int64_t size) {
  const bool has_forms = std::string_view(backend.name()) == "cpu";
  const auto sides = nets::value_sides(network, size);
  double sum = 0;
  for (size_t i = begin; i < end; ++i) {
    const auto* const conv = std::get_if<nets::Conv2d>(&network.operations[i].kind);
    const auto* const linear = std::get_if<nets::Linear>(&network.operations[i].kind);
    if (conv == nullptr && linear == nullptr) continue;
    const auto& weight = network.parameters[conv != nullptr ? conv->weight : linear->weight].shape;
    auto each = static_cast<double>(sides[i + 1] * sides[i + 1]);  // of a weight
    // Only Winograd's forms do fewer than the direct one. Their outputs are as large as their inputs.
    const auto form = conv != nullptr && has_forms ? cpu::geometry_of(*conv, weight, 1, sides[i + 1]) : std::nullopt;
    if (form && form->form != cpu::Form::kPatches) {
      each = static_cast<double>(form->frequencies() * form->rows()) / static_cast<double>(form->taps());
    }
    sum += std::accumulate(weight.begin(), weight.end(), each, std::multiplies<>());
  }
  return sum;
}

class TimedUnit final : public Unit {
 public:
  TimedUnit(std::unique_ptr<Unit> inner, Stopwatch& stopwatch, size_t index, Layer layer)
      : inner_(std::move(inner)), stopwatch_(stopwatch), index_(index), layer_(std::move(layer)) {}

  Values forward(Values x, Tensors theta, const Values* running) override {
    return in(0, "forward", [&] { return inner_->forward(std::move(x), theta, running); });
  }
  Values backward(Values y_bar, Tensors theta_bar) override {
    return in(1, "backward", [&] { return inner_->backward(std::move(y_bar), theta_bar); });
  }
  Values tangent(Values x_dot, Tensors theta_dot) override {
    return in(2, "tangent", [&] { return inner_->tangent(std::move(x_dot), theta_dot); });
  }
  Values tangent_backward(Values y_bar_dot, Tensors theta_bar_dot) override {
    return in(3, "tangent-backward", [&] { return inner_->tangent_backward(std::move(y_bar_dot), theta_bar_dot); });
  }

 private:
  template <class Work>
  Values in(size_t sweep, const char* name, const Work& work) {
    layer_.sweep = name;
    return stopwatch_.time({Section::kUnit, index_, sweep}, layer_, work);
  }

  std::unique_ptr<Unit> inner_;
  Stopwatch& stopwatch_;
  size_t index_;
  Layer layer_;
};

/// A target map's number in the table, and the shapes that its sweeps read.
struct Matched {
  Stopwatch& stopwatch;
  size_t index;
  Shapes shapes;

  template <class Work>
  auto time(size_t sweep, const char* name, const Work& work) const {
    return stopwatch.time({Section::kMatching, index, sweep}, {{}, name, shapes}, work);
  }
};

class TimedPoint final : public MatchingPoint {
 public:
  TimedPoint(std::unique_ptr<MatchingPoint> inner, Matched matched)
      : inner_(std::move(inner)), matched_(std::move(matched)) {}

  MatchingSweep gradient() override {
    return matched_.time(1, "forward, backward", [&] { return inner_->gradient(); });
  }
  MatchingSweep tangent(const at::Tensor& t_dot, const Pointwise& branches_dot, bool product) override {
    return matched_.time(product ? 3 : 2, product ? "tangent, tangent-backward" : "tangent",
                         [&] { return inner_->tangent(t_dot, branches_dot, product); });
  }

 private:
  std::unique_ptr<MatchingPoint> inner_;
  Matched matched_;
};

class TimedMap final : public MatchedMap {
 public:
  TimedMap(std::unique_ptr<MatchedMap> inner, Matched matched)
      : inner_(std::move(inner)), matched_(std::move(matched)) {}

  [[nodiscard]] std::unique_ptr<MatchingPoint> at(const at::Tensor& t, const Pointwise& branches) const override {
    return std::make_unique<TimedPoint>(inner_->at(t, branches), matched_);
  }

 private:
  std::unique_ptr<MatchedMap> inner_;
  Matched matched_;
};

class Timed final : public TimedBackend {
 public:
  explicit Timed(const Backend& inner) : inner_(inner) {}

  void lap() override { stopwatch_.lap(); }
  [[nodiscard]] std::vector<Layer> layers() const override { return stopwatch_.layers(); }
  [[nodiscard]] const char* name() const override { return inner_.name(); }

  [[nodiscard]] std::vector<Step> units(const Part& part) const override {
    auto steps = inner_.units(part);
    size_t first = 0;
    for (size_t k = 0; k < steps.size(); ++k) {
      auto& [inputs, outputs, unit] = steps[k];
      const auto end = static_cast<size_t>(outputs.back());
      Layer layer{{}, {}, {}, static_cast<int64_t>(first), inputs, outputs};
      std::copy_if(outputs.begin(), outputs.end(), std::back_inserter(layer.read),
                   [&](int value) { return value == outputs.back() || part.is_feature(static_cast<size_t>(value)); });
      layer.products = products(inner_, part.network, first, end, part.x.size(2));
      unit = std::make_unique<TimedUnit>(std::move(unit), stopwatch_, k, std::move(layer));
      first = end;
    }
    return steps;
  }

  [[nodiscard]] nets::Activations infer(const nets::Network& network, Tensors parameters, Tensors buffers,
                                        const at::Tensor& x) const override {
    Layer layer{{}, "forward", {x.sizes().vec()}};
    layer.products = products(inner_, network, 0, network.operations.size(), x.size(2));
    return stopwatch_.time({Section::kSource, 0, 0}, layer,
                           [&] { return inner_.infer(network, parameters, buffers, x); });
  }

  [[nodiscard]] CrossEntropy cross_entropy(const at::Tensor& z, const ops::Labels& labels) const override {
    return stopwatch_.time({Section::kLoss, 0, 0}, {{}, "forward, backward"},
                           [&] { return inner_.cross_entropy(z, labels); });
  }
  [[nodiscard]] at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot,
                                                          const ops::Labels& labels) const override {
    return stopwatch_.time({Section::kLoss, 0, 1}, {{}, "tangent-backward"},
                           [&] { return inner_.cross_entropy_tangent_backward(log_p, z_dot, labels); });
  }

  [[nodiscard]] ops::Importance importance(const at::Tensor& s,
                                           const ops::ImportanceNetworks& networks) const override {
    return stopwatch_.time({Section::kImportance, 0, 0}, {{}, "forward"},
                           [&] { return inner_.importance(s, networks); });
  }
  void importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const ops::Importance& importance,
                           double scale, const ops::ImportanceNetworks& bar) const override {
    stopwatch_.time({Section::kImportance, 0, 1}, {{}, "backward"},
                    [&] { inner_.importance_backward(k_bar, s, importance, scale, bar); });
  }

  [[nodiscard]] std::unique_ptr<MatchedMap> matched_map(const std::vector<at::Tensor>& sources,
                                                        const at::Tensor& coefficient,
                                                        const at::Tensor& t) const override {
    Shapes shapes{t.sizes().vec()};
    for (const auto& source : sources) shapes.push_back(source.sizes().vec());
    auto found = std::find(matched_.begin(), matched_.end(), shapes);
    if (found == matched_.end()) found = matched_.insert(found, shapes);
    const Matched matched{stopwatch_, static_cast<size_t>(found - matched_.begin()), std::move(shapes)};
    return matched.time(0, "of a batch", [&] {
      return std::make_unique<TimedMap>(inner_.matched_map(sources, coefficient, t), matched);
    });
  }
  [[nodiscard]] MatchingSweep matching_gradient(const MatchingInputs& maps, const Pointwise& branches) const override {
    return inner_.matching_gradient(maps, branches);
  }
  [[nodiscard]] MatchingSweep matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot,
                                               const Pointwise& branches, const Pointwise& branches_dot,
                                               bool product) const override {
    return inner_.matching_tangent(maps, t_dot, branches, branches_dot, product);
  }

  void sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
                const at::Tensor& next_theta, const at::Tensor& next_velocity) const override {
    stopwatch_.time({Section::kVectors, 0, 0}, {{}, "SGD", {theta.sizes().vec()}},
                    [&] { inner_.sgd_step(sgd, theta, velocity, gradient, next_theta, next_velocity); });
  }
  [[nodiscard]] at::Tensor sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b) const override {
    return stopwatch_.time({Section::kVectors, 0, 1}, {{}, "SGD's adjoint", {a.sizes().vec()}},
                           [&] { return inner_.sgd_adjoint(sgd, a, b); });
  }
  void adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient,
                 const AdamState& state) const override {
    stopwatch_.time({Section::kVectors, 1, 0}, {{}, "Adam", {phi.sizes().vec()}},
                    [&] { inner_.adam_step(adam, phi, gradient, state); });
  }

 private:
  const Backend& inner_;
  mutable Stopwatch stopwatch_;
  mutable std::vector<Shapes> matched_;  // in order of appearance
};

}  // namespace

std::unique_ptr<TimedBackend> timed(const Backend& inner) { return std::make_unique<Timed>(inner); }

}  // namespace l2t::backends
