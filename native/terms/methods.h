#pragma once
#include <string>
#include <vector>

#include "native/transfer/meta_networks.h"

namespace l2t::terms {

/// A method is a row of a table: what it adds to the cross-entropy, and what it learns about that.
struct Method {
  std::string name;
  /// The terms that it adds (terms.h), in the order in which they are summed.
  std::vector<std::string> terms;
  /// Which weights of the matching loss its meta-networks give.
  transfer::Learned learned;
  /// True: SGD decays weights.
  bool decays = true;

  static void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("terms", self.terms);
    visit("what", self.learned.what);
    visit("where", self.learned.where);
    visit("decays", self.decays);
  }
};

/// The table.
const std::vector<Method>& methods();

/// Throws INVALID_OPTION for an unknown name.
const Method& method_named(const std::string& name);

}  // namespace l2t::terms
