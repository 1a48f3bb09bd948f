#include "native/nets/registry.h"

#include "native/core/error.h"

namespace l2t::nets {

std::vector<std::string> network_names() { return {"resnet20", "resnet32", "vgg9_bn", "resnet18", "resnet34"}; }

Network make_network(const NetworkSpec& spec) {
  if (spec.classes < 1 || spec.classes > 1000000) {
    throw Error("INVALID_OPTION",
                "A network needs between 1 and 1000000 classes, not " + std::to_string(spec.classes) + ".");
  }
  if (!(spec.width > 0 && spec.width <= 8)) {
    throw Error("INVALID_OPTION", "A width must be above 0 and at most 8, not " + std::to_string(spec.width) + ".");
  }
  if (spec.name == "resnet20") return resnet_cifar(spec.name, 3, spec.classes, spec.width);
  if (spec.name == "resnet32") return resnet_cifar(spec.name, 5, spec.classes, spec.width);
  if (spec.name == "vgg9_bn") return vgg9_bn(spec.classes, spec.width);
  if (spec.name == "resnet18") return resnet_imagenet(spec.name, {2, 2, 2, 2}, spec.classes, spec.width);
  if (spec.name == "resnet34") return resnet_imagenet(spec.name, {3, 4, 6, 3}, spec.classes, spec.width);
  std::string known;
  for (const auto& name : network_names()) known += (known.empty() ? "" : ", ") + name;
  throw Error("INVALID_OPTION", "Unknown network '" + spec.name + "': use one of " + known + ".");
}

}  // namespace l2t::nets
