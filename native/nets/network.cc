#include "native/nets/network.h"

#include <algorithm>

#include "native/core/error.h"

namespace l2t::nets {
namespace {

int64_t side_after(int64_t side, int64_t kernel, int64_t stride, int64_t padding) {
  return side + 2 * padding < kernel ? 0 : (side + 2 * padding - kernel) / stride + 1;
}

int64_t side_of(const Network& network, const Operation& operation, int64_t side) {
  if (const auto* conv = std::get_if<Conv2d>(&operation.kind)) {
    return side_after(side, network.parameters[conv->weight].shape[2], conv->stride, conv->padding);
  }
  if (const auto* shortcut = std::get_if<PaddedShortcut>(&operation.kind)) {
    return side_after(side, 1, shortcut->stride, 0);
  }
  if (const auto* pool = std::get_if<MaxPool>(&operation.kind)) {
    return side_after(side, pool->kernel, pool->stride, pool->padding);
  }
  if (const auto* pool = std::get_if<AdaptiveAveragePool>(&operation.kind)) return pool->side;
  const bool one =
      std::holds_alternative<GlobalAveragePool>(operation.kind) || std::holds_alternative<Flatten>(operation.kind);
  return one ? 1 : side;
}

/// Returns the side of each value; 0 for the first empty one, after which sides are meaningless.
std::vector<int64_t> sides_at(const Network& network, int64_t size) {
  std::vector<int64_t> sides{size};
  for (const auto& operation : network.operations) {
    sides.push_back(side_of(network, operation, sides[operation.inputs[0]]));
  }
  return sides;
}

bool fit(const std::vector<int64_t>& sides) {
  return std::all_of(sides.begin(), sides.end(), [](int64_t side) { return side >= 1; });
}

}  // namespace

std::set<int> last_layer(const Network& network) {
  const auto& linear = std::get<Linear>(network.operations.back().kind);
  return {linear.weight, linear.bias};
}

std::vector<int64_t> value_sides(const Network& network, int64_t size) {
  auto sides = sides_at(network, size);
  if (fit(sides)) return sides;
  auto least = size + 1;
  while (!fit(sides_at(network, least))) ++least;
  throw Error("INVALID_OPTION", "Images of " + std::to_string(size) + " pixels are too small for " + network.name +
                                    ": a feature map would be empty. Use {size=" + std::to_string(least) +
                                    "} or more.");
}

std::vector<int64_t> feature_sizes(const Network& network, int64_t size) {
  const auto sides = value_sides(network, size);
  std::vector<int64_t> result;
  for (const auto& feature : network.features) result.push_back(feature.side > 0 ? feature.side : sides[feature.value]);
  return result;
}

std::vector<int> candidates(const Network& network, int64_t size) {
  const auto sizes = feature_sizes(network, size);
  std::vector<int> result;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const bool last = i + 1 == sizes.size() || sizes[i + 1] != sizes[i];
    if (network.runs_elsewhere() || (last && !network.features[i].stem)) result.push_back(static_cast<int>(i));
  }
  return result;
}

}  // namespace l2t::nets
