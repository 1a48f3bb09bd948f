#include "native/nets/registry.h"

namespace l2t::nets {

/// VGG-9 with batch norm, the paper's 32 × 32 target: eight 3×3 convolutions and a linear layer; features are the
/// inputs of the five max-pools. Layers are numbered as in a torch Sequential: conv, batch norm, ReLU, …, max-pool.
Network vgg9_bn(int64_t classes, double width) {
  constexpr int kMaxPool = 0;
  constexpr int kLayers[] = {64, kMaxPool, 128, kMaxPool, 256, 256, kMaxPool, 512, 512, kMaxPool, 512, 512, kMaxPool};
  Builder net("vgg9_bn", classes, width);
  int x = Builder::kImages;
  int index = 0;
  const auto layer = [&] { return "features." + std::to_string(index++); };
  for (const int channels : kLayers) {
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
  net.linear(net.global_average_pool(x), "classifier", Initialisation::kSmallNormal, Initialisation::kZeros);
  return std::move(net).finish();
}

}  // namespace l2t::nets
