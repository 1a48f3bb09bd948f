#include "native/nets/registry.h"

namespace l2t::nets {

/// The 6n + 2 layer ResNet for 32 × 32 images (He et al. 2016, section 4.2), with the released checkpoints' names:
/// three stages of n blocks, 16, 32 and 64 channels; a feature after every block.
Network resnet_cifar(const std::string& name, int blocks_per_stage, int64_t classes, double width) {
  Builder net(name, classes, width);
  int x = net.relu(net.batch_norm(net.conv2d(Builder::kImages, "conv1", net.scaled(16), 3, 1, true), "bn1"));
  for (int stage = 0; stage < 3; ++stage) {
    const int channels = net.scaled(16 << stage);
    const auto first = "block" + std::to_string(2 * stage + 1);
    const auto rest = "blocks" + std::to_string(2 * stage + 2);
    x = net.basic_block(x, first, channels, stage == 0 ? 1 : 2);
    net.feature(x);
    for (int k = 0; k < blocks_per_stage - 1; ++k) {
      x = net.basic_block(x, rest + "." + std::to_string(k), channels, 1);
      net.feature(x);
    }
  }
  net.linear(net.global_average_pool(x), "fc", net.classes(), Initialisation::kUniformFanIn,
             Initialisation::kUniformFanIn);
  return std::move(net).finish();
}

/// The same ResNet, but with shortcuts without weights (He et al. 2016, section 4.2, option A) and the tensors' names
/// of akamaster/pytorch_resnet_cifar10; its first convolution has no bias.
Network resnet_cifar_a(const std::string& name, int blocks_per_stage, int64_t classes, double width) {
  Builder net(name, classes, width);
  int x = net.relu(net.batch_norm(net.conv2d(Builder::kImages, "conv1", net.scaled(16), 3, 1, false), "bn1"));
  for (int stage = 0; stage < 3; ++stage) {
    for (int k = 0; k < blocks_per_stage; ++k) {
      const auto block = "layer" + std::to_string(stage + 1) + "." + std::to_string(k);
      x = net.padded_block(x, block, net.scaled(16 << stage), stage > 0 && k == 0 ? 2 : 1);
      net.feature(x);
    }
  }
  net.linear(net.global_average_pool(x), "linear", net.classes(), Initialisation::kUniformFanIn,
             Initialisation::kUniformFanIn);
  return std::move(net).finish();
}

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
