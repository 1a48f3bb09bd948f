#include "native/nets/registry.h"

#include <functional>

#include "native/core/error.h"

namespace l2t::nets {
namespace {

using Maker = std::function<Network(const std::string& name, int64_t classes, double width)>;

Maker cifar(int blocks_per_stage) {
  return
      [=](const auto& name, auto classes, auto width) { return resnet_cifar(name, blocks_per_stage, classes, width); };
}
Maker cifar_a(int blocks_per_stage) {
  return [=](const auto& name, auto classes, auto width) {
    return resnet_cifar_a(name, blocks_per_stage, classes, width);
  };
}
Maker imagenet(const ResNetShape& shape) {
  return [=](const auto& name, auto classes, auto width) { return resnet_imagenet(name, shape, classes, width); };
}
Maker vgg(const std::vector<int>& layers) {
  return [=](const auto& name, auto classes, auto width) { return vgg_imagenet(name, layers, classes, width); };
}

/// All networks. The table of src/options/networks.ts has the same names.
const std::vector<std::pair<std::string, Maker>>& table() {
  constexpr int M = kMaxPool;
  static const std::vector<std::pair<std::string, Maker>> networks{
      {"resnet20", cifar(3)},
      {"resnet32", cifar(5)},
      {"vgg9_bn", vgg9_bn},
      {"resnet18", imagenet({{2, 2, 2, 2}})},
      {"resnet34", imagenet({{3, 4, 6, 3}})},
      {"resnet50", imagenet({{3, 4, 6, 3}, 1})},
      {"resnet101", imagenet({{3, 4, 23, 3}, 1})},
      {"wide_resnet50_2", imagenet({{3, 4, 6, 3}, 2})},
      {"resnext50_32x4d", imagenet({{3, 4, 6, 3}, 2, 32})},
      {"vgg11_bn", vgg({64, M, 128, M, 256, 256, M, 512, 512, M, 512, 512, M})},
      {"vgg16_bn", vgg({64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512, M})},
      {"mobilenet_v2", mobilenet_v2},
      {"resnet20_a", cifar_a(3)},
      {"resnet32_a", cifar_a(5)},
  };
  return networks;
}

Network elsewhere(const NetworkSpec& spec, const std::vector<MapSpec>& maps) {
  Network network;
  network.name = spec.name;
  network.classes = spec.classes;
  for (const auto& [channels, side] : maps) network.features.push_back({0, channels, false, side});
  return network;
}

}  // namespace

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : table()) names.push_back(name);
  return names;
}

Network make_network(const NetworkSpec& spec) {
  if (spec.maps) return elsewhere(spec, *spec.maps);
  if (!(spec.width > 0 && spec.width <= 8)) {
    throw Error("INVALID_OPTION", "A width must be above 0 and at most 8, not " + std::to_string(spec.width) + ".");
  }
  for (const auto& [name, make] : table()) {
    if (name == spec.name) return make(name, spec.classes, spec.width);
  }
  std::string known;
  for (const auto& name : network_names()) known += (known.empty() ? "" : ", ") + name;
  throw Error("INVALID_OPTION", "Unknown network '" + spec.name + "': use one of " + known + ".");
}

}  // namespace l2t::nets
