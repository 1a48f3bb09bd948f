#include "native/nets/registry.h"

namespace l2t::nets {

/// An ImageNet ResNet (He et al. 2016, table 1; wide: Zagoruyko & Komodakis 2016; with groups, a ResNeXt: Xie et al.
/// 2017) with torchvision's names: features are the stem after its ReLU, then the ends of the four stages. A width
/// changes the channels of each group, not the number of groups.
Network resnet_imagenet(const std::string& name, const ResNetShape& shape, int64_t classes, double width) {
  Builder net(name, classes, width);
  int x = net.relu(net.batch_norm(net.conv2d(Builder::kImages, "conv1", net.scaled(64), 7, 2, false), "bn1"));
  net.feature(x, /*stem=*/true);
  x = net.max_pool(x, 3, 2, 1);
  for (int stage = 0; stage < 4; ++stage) {
    const int channels = 64 << stage;
    for (int k = 0; k < shape.blocks[stage]; ++k) {
      const auto block = "layer" + std::to_string(stage + 1) + "." + std::to_string(k);
      const int stride = stage > 0 && k == 0 ? 2 : 1;
      if (shape.inner == 0) {
        x = net.basic_block(x, block, net.scaled(channels), stride);
      } else {
        const int inner = shape.groups * net.scaled(channels * shape.inner / shape.groups);
        x = net.bottleneck(x, block, inner, net.scaled(channels * 4), stride, shape.groups);
      }
    }
    net.feature(x);
  }
  net.linear(net.global_average_pool(x), "fc", net.classes(), Initialisation::kUniformFanIn,
             Initialisation::kUniformFanIn);
  return std::move(net).finish();
}

}  // namespace l2t::nets
