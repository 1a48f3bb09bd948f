#pragma once
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "native/core/fields.h"
#include "native/nets/builder.h"
#include "native/nets/network.h"

namespace l2t::nets {

/// A feature map of a network that runs elsewhere: C, and H = W.
struct MapSpec {
  int channels;
  int64_t side;

  static void fields(auto& self, auto&& visit) {
    visit("channels", self.channels, Whole{1, 1000000});
    visit("side", self.side, Whole{1, 4096});
  }
};

struct NetworkSpec {
  std::string name;
  /// 0: the network has no last layer, and its logits are empty.
  int64_t classes;
  double width;
  /// The feature maps of an ONNX source, which runs elsewhere: its other operations are not known.
  std::optional<std::vector<MapSpec>> maps = {};

  static void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("classes", self.classes, Whole{0, 1000000});
    visit("width", self.width);
    visit("maps", self.maps);
  }
};

std::vector<std::string> network_names();

/// Throws INVALID_OPTION for an unknown name, or a width outside (0, 8].
Network make_network(const NetworkSpec& spec);

/// Blocks of an ImageNet ResNet's four stages. `inner`: 0 for basic blocks, else a bottleneck's inner channels as a
/// multiple of 64, 128, 256 and 512. `groups`: those of a bottleneck's 3 × 3 convolution.
struct ResNetShape {
  std::array<int, 4> blocks;
  int inner = 0;
  int groups = 1;
};

/// A max-pool in a VGG's list of layers, where any other number is a convolution's channels.
constexpr int kMaxPool = 0;

Network resnet_cifar(const std::string& name, int blocks_per_stage, int64_t classes, double width);
Network resnet_cifar_a(const std::string& name, int blocks_per_stage, int64_t classes, double width);
Network resnet_imagenet(const std::string& name, const ResNetShape& shape, int64_t classes, double width);
Network vgg9_bn(const std::string& name, int64_t classes, double width);
Network vgg_imagenet(const std::string& name, const std::vector<int>& layers, int64_t classes, double width);
Network mobilenet_v2(const std::string& name, int64_t classes, double width);

}  // namespace l2t::nets
