#pragma once
#include <array>
#include <string>
#include <vector>

#include "native/core/fields.h"
#include "native/nets/builder.h"
#include "native/nets/network.h"

namespace l2t::nets {

struct NetworkSpec {
  std::string name;
  int64_t classes;
  double width;

  static void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("classes", self.classes, Whole{1, 1000000});
    visit("width", self.width);
  }
};

std::vector<std::string> network_names();

/// Throws INVALID_OPTION for an unknown name, fewer than 1 class, or a width outside (0, 8].
Network make_network(const NetworkSpec& spec);

Network resnet_cifar(const std::string& name, int blocks_per_stage, int64_t classes, double width);
Network resnet_imagenet(const std::string& name, const std::array<int, 4>& blocks, int64_t classes, double width);
Network vgg9_bn(int64_t classes, double width);

}  // namespace l2t::nets
