#pragma once
#include <string>
#include <utility>
#include <vector>

#include "native/nets/network.h"

/// A network's operations in plain form, for programs that write them down in another format.
namespace l2t::nets {

struct OperationDescription {
  std::string kind;
  std::vector<int> inputs;
  /// The part's name in the operation, and the tensor's name in the network. A part that is not there has no entry.
  std::vector<std::pair<std::string, std::string>> tensors;
  std::vector<std::pair<std::string, double>> settings;

  static void fields(auto& self, auto&& visit) {
    visit("kind", self.kind);
    visit("inputs", self.inputs);
    visit("tensors", self.tensors);
    visit("settings", self.settings);
  }
};

std::vector<OperationDescription> describe(const Network& network);

}  // namespace l2t::nets
