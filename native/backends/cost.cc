#include "native/backends/cost.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace l2t::backends {
namespace {

double elements_of(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), 1.0, std::multiplies<>());
}

/// Shapes and sizes of a network's values and operations, of one image.
class Sizes {
 public:
  Sizes(const nets::Network& network, const at::Tensor& x)
      : network_(network), sides_(nets::value_sides(network, x.size(2))), channels_{x.size(1)} {
    for (size_t i = 0; i < network.operations.size(); ++i) channels_.push_back(channels_after(i));
  }

  [[nodiscard]] int64_t side(size_t value) const { return sides_[value]; }
  [[nodiscard]] int64_t channels(size_t value) const { return channels_[value]; }
  [[nodiscard]] double elements(size_t value) const {
    return static_cast<double>(channels_[value] * sides_[value] * sides_[value]);
  }

  [[nodiscard]] double parameters(size_t operation) const {
    double elements = 0;
    nets::for_parameters(network_, operation, operation + 1,
                         [&](int index) { elements += elements_of(network_.parameters[index].shape); });
    return elements;
  }

  /// Multiplications of a forward sweep.
  [[nodiscard]] double products(size_t operation, const Backend& backend) const {
    const auto& kind = network_.operations[operation].kind;
    if (const auto* const conv = std::get_if<nets::Conv2d>(&kind)) {
      const auto& shape = network_.parameters[conv->weight].shape;
      const auto side = sides_[operation + 1];
      return elements_of(shape) * static_cast<double>(side * side) * backend.products_share(*conv, shape, side);
    }
    const auto* const linear = std::get_if<nets::Linear>(&kind);
    return linear == nullptr ? 0 : elements_of(network_.parameters[linear->weight].shape);
  }

 private:
  [[nodiscard]] int64_t channels_after(size_t operation) const {
    const auto& [kind, inputs] = network_.operations[operation];
    if (const auto* const conv = std::get_if<nets::Conv2d>(&kind)) return network_.parameters[conv->weight].shape[0];
    if (const auto* const linear = std::get_if<nets::Linear>(&kind)) {
      return network_.parameters[linear->weight].shape[0];
    }
    const auto from = static_cast<size_t>(inputs.front());
    if (const auto* const shortcut = std::get_if<nets::PaddedShortcut>(&kind)) {
      return channels_[from] + shortcut->before + shortcut->after;
    }
    const bool flat = std::holds_alternative<nets::Flatten>(kind);
    return flat ? channels_[from] * sides_[from] * sides_[from] : channels_[from];
  }

  const nets::Network& network_;
  std::vector<int64_t> sides_;
  std::vector<int64_t> channels_;
};

/// A unit's operations `first` to `last`, and numbers of elements of one image.
struct UnitPlace {
  const Part& part;
  const Sizes& sizes;
  const Step& step;
  size_t first;
  size_t last;

  [[nodiscard]] bool reads_images() const { return step.inputs.front() == 0; }

  [[nodiscard]] bool read_later(int value) const {
    if (value == step.outputs.back() || part.is_feature(static_cast<size_t>(value))) return true;
    const auto& operations = part.network.operations;
    return std::any_of(operations.begin() + static_cast<int64_t>(last) + 1, operations.end(), [&](const auto& later) {
      return std::count(later.inputs.begin(), later.inputs.end(), value) > 0;
    });
  }

  template <class Kind>
  [[nodiscard]] bool is() const {
    return std::holds_alternative<Kind>(part.network.operations[first].kind);
  }

  /// Of the inputs after the first: a residual.
  [[nodiscard]] double skip() const {
    double sum = 0;
    for (size_t k = 1; k < step.inputs.size(); ++k) sum += sizes.elements(step.inputs[k]);
    return sum;
  }
};

/// Elements that the sweeps of a unit without parameters read and write.
std::array<double, kSweepCount> plain_traffic(const UnitPlace& unit) {
  if (unit.is<nets::Flatten>()) return {};
  const double in = unit.sizes.elements(unit.step.inputs.front()) + unit.skip();
  const double out = unit.sizes.elements(unit.step.outputs.front());
  if (unit.is<nets::Add>()) return {in + out, 0, in + out, 0};  // a cotangent passes to both inputs as it is
  const bool masked = unit.is<nets::Relu>() || unit.is<nets::Relu6>() || unit.is<nets::MaxPool>();
  const double later = in + out + (masked ? out : 0);
  return {in + out, later, later, later};
}

/// Of a unit that begins with a convolution or a linear layer. Batch norm's sweeps read the convolution's map.
std::array<double, kSweepCount> traffic(const UnitPlace& unit) {
  const auto& inputs = unit.step.inputs;
  const auto& outputs = unit.step.outputs;
  const double x = unit.sizes.elements(inputs.front());
  const double x_bar = unit.reads_images() ? 0 : x;  // and ẋ
  const double skip = unit.skip();
  const double map = unit.is<nets::Conv2d>() ? unit.sizes.elements(outputs.front()) : 0;
  double out = 0;
  double read = 0;  // of the outputs that have cotangents
  for (const int value : outputs) {
    out += unit.sizes.elements(value);
    if (unit.read_later(value)) read += unit.sizes.elements(value);
  }
  return {x + skip + out, read + map + x + x_bar + skip, x + x_bar + skip + map + read,
          read + x + 2 * x_bar + 3 * map + skip};
}

UnitCost cost_of(const UnitPlace& unit, const Backend& backend) {
  UnitCost result;
  double products = 0;
  double parameters = 0;
  for (size_t i = unit.first; i <= unit.last; ++i) {
    std::visit([&](const auto& kind) { result.operations.emplace_back(kind.kKind); },
               unit.part.network.operations[i].kind);
    products += unit.sizes.products(i, backend);
    parameters += unit.sizes.parameters(i);
  }
  const auto x_value = static_cast<size_t>(unit.step.inputs.front());
  const auto from = std::to_string(unit.sizes.channels(x_value));
  const auto side = unit.sizes.side(parameters > 0 ? unit.first + 1 : x_value);
  result.name = parameters > 0 ? from + "→" + std::to_string(unit.sizes.channels(unit.first + 1)) : from;
  if (side > 1) result.name += " @" + std::to_string(side);

  const double with_x = unit.reads_images() ? 0 : 1;  // x̄ and ẋ
  const std::array<double, kSweepCount> times{1, 1 + with_x, 1 + with_x, 1 + 3 * with_x};
  const std::array<double, kSweepCount> reads{1, 1 + with_x, 2, 3};  // of the parameters, with their gradients
  const auto elements = parameters > 0 ? traffic(unit) : plain_traffic(unit);
  const auto& x = unit.part.x;
  const auto images = static_cast<double>(x.size(0));
  for (size_t k = 0; k < kSweepCount; ++k) {
    result.sweeps[k] = {2 * images * products * times[k],
                        static_cast<double>(x.element_size()) * (images * elements[k] + parameters * reads[k])};
  }
  return result;
}

}  // namespace

std::vector<UnitCost> unit_costs(const Part& part, const std::vector<Step>& steps, const Backend& backend) {
  const Sizes sizes(part.network, part.x);
  std::vector<UnitCost> costs;
  size_t first = 0;
  for (const auto& step : steps) {
    const auto next = static_cast<size_t>(step.outputs.back());
    costs.push_back(cost_of({part, sizes, step, first, next - 1}, backend));
    first = next;
  }
  return costs;
}

Cost inference_cost(const nets::Network& network, const at::Tensor& x, const Backend& backend) {
  const Sizes sizes(network, x);
  double products = 0;
  double parameters = 0;
  double maps = sizes.elements(0);  // the images are only read
  for (size_t i = 0; i < network.operations.size(); ++i) {
    products += sizes.products(i, backend);
    parameters += sizes.parameters(i);
    // Batch norm, ReLU and the residual are computed where the convolution's map is written; its reader reads it.
    if (std::holds_alternative<nets::Conv2d>(network.operations[i].kind)) maps += 2 * sizes.elements(i + 1);
  }
  const auto images = static_cast<double>(x.size(0));
  return {2 * images * products, static_cast<double>(x.element_size()) * (images * maps + parameters)};
}

MatchingCost::MatchingCost(const at::Tensor& t, const std::vector<at::Tensor>& sources)
    : images_(static_cast<double>(t.size(0))),
      element_(static_cast<double>(t.element_size())),
      channels_(static_cast<double>(t.size(1))),
      places_(static_cast<double>(t.size(2) * t.size(3))) {
  for (const auto& source : sources) {
    const auto channels = static_cast<double>(source.size(1));
    source_channels_ += channels;
    source_elements_ += channels * std::min(places_, static_cast<double>(source.size(2) * source.size(3)));
  }
}

std::string MatchingCost::name() const {
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(places_)));
  return std::to_string(static_cast<int64_t>(channels_)) + "→" +
         std::to_string(static_cast<int64_t>(source_channels_)) + " @" + std::to_string(side);
}

/// `direct` and `gram`: how often a sweep does the products of each kind; `maps` and `branches`: how many maps like t,
/// and how many tensors like the branches' weights, it reads and writes.
Cost MatchingCost::cost(double direct, const Gram& gram, double maps, double branches) const {
  const double square = channels_ * channels_;
  const double as_gram = gram.maps * square * places_ + gram.branches * square * source_channels_ +
                         gram.sources * channels_ * source_elements_;
  const double products = std::min(direct * channels_ * source_channels_ * places_, as_gram);
  return {2 * images_ * products, element_ * (images_ * (maps * channels_ * places_ + source_elements_) +
                                              branches * channels_ * source_channels_)};
}

Cost MatchingCost::gradient() const { return cost(3, {2, 2, 2}, 2, 2); }

Cost MatchingCost::tangent(bool product) const { return product ? cost(7, {3, 3, 2}, 3, 3) : cost(3, {1, 1, 1}, 2, 2); }

}  // namespace l2t::backends
