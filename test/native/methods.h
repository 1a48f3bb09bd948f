#pragma once
#include <map>
#include <string>

#include "native/run/config.h"

namespace l2t::test {

/// A method's inputs, by src/options/methods.ts.
struct Needs {
  bool source;
  bool pairs;
  std::map<std::string, double> settings;  // their defaults
};
const Needs& needs_of(const std::string& method);

/// A method with the defaults of its settings, but for some: those among `changed` that it reads.
run::Hyperparameters hyperparameters(const std::string& method, const std::map<std::string, double>& changed = {});

}  // namespace l2t::test
