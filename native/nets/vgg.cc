#include "native/nets/registry.h"

namespace l2t::nets {
namespace {

/// 3×3 convolutions with batch norm and ReLU, and 2×2 max-pools, whose inputs are the features. Layers are numbered as
/// in a torch Sequential: conv, batch norm, ReLU, …, max-pool.
int add_layers(Builder& net, const std::vector<int>& layers) {
  int x = Builder::kImages;
  int index = 0;
  const auto layer = [&] { return "features." + std::to_string(index++); };
  for (const int channels : layers) {
    if (channels == kMaxPool) {
      net.feature(x);
      x = net.max_pool(x, 2, 2, 0);
      ++index;
      continue;
    }
    x = net.conv2d(x, layer(), net.scaled(channels), 3, 1, true);
    x = net.batch_norm(x, layer());
    x = net.relu(x);
    ++index;
  }
  return x;
}

}  // namespace

/// VGG-9 with batch norm, the paper's 32 × 32 target: eight 3×3 convolutions and a linear layer.
Network vgg9_bn(const std::string& name, int64_t classes, double width) {
  Builder net(name, classes, width);
  const int x =
      add_layers(net, {64, kMaxPool, 128, kMaxPool, 256, 256, kMaxPool, 512, 512, kMaxPool, 512, 512, kMaxPool});
  net.linear(net.global_average_pool(x), "classifier", net.classes(), Initialisation::kSmallNormal,
             Initialisation::kZeros);
  return std::move(net).finish();
}

/// An ImageNet VGG with batch norm (Simonyan & Zisserman 2015, table 1) with torchvision's names, without its two
/// dropouts (docs/method.md). The last maps are averaged to 7×7, so images of any size will do.
Network vgg_imagenet(const std::string& name, const std::vector<int>& layers, int64_t classes, double width) {
  Builder net(name, classes, width);
  int x = net.flatten(net.adaptive_average_pool(add_layers(net, layers), 7));
  const auto linear = [&](const std::string& layer, int out) {
    return net.linear(x, layer, out, Initialisation::kSmallNormal, Initialisation::kZeros);
  };
  x = net.relu(linear("classifier.0", net.scaled(4096)));
  x = net.relu(linear("classifier.3", net.scaled(4096)));
  linear("classifier.6", net.classes());
  return std::move(net).finish();
}

}  // namespace l2t::nets
