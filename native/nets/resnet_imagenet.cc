#include "native/nets/registry.h"

namespace l2t::nets {

/// ResNet-18 and -34 (He et al. 2016, table 1) with torchvision's names: features are the stem after its ReLU, then the
/// ends of the four stages.
Network resnet_imagenet(const std::string& name, const std::array<int, 4>& blocks, int64_t classes, double width) {
  Builder net(name, classes, width);
  int x = net.relu(net.batch_norm(net.conv2d(Builder::kImages, "conv1", net.scaled(64), 7, 2, false), "bn1"));
  net.feature(x, /*stem=*/true);
  x = net.max_pool(x, 3, 2, 1);
  for (int stage = 0; stage < 4; ++stage) {
    for (int k = 0; k < blocks[stage]; ++k) {
      const auto block = "layer" + std::to_string(stage + 1) + "." + std::to_string(k);
      x = net.basic_block(x, block, net.scaled(64 << stage), stage > 0 && k == 0 ? 2 : 1);
    }
    net.feature(x);
  }
  net.linear(net.global_average_pool(x), "fc", Initialisation::kUniformFanIn, Initialisation::kUniformFanIn);
  return std::move(net).finish();
}

}  // namespace l2t::nets
