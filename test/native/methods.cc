#include "test/native/methods.h"

namespace l2t::test {

const Needs& needs_of(const std::string& method) {
  static const std::map<std::string, Needs> all{
#define METHOD(name, ...) {name, {__VA_ARGS__}},
#include "test/native/methods.inc"
#undef METHOD
  };
  return all.at(method);
}

run::Hyperparameters hyperparameters(const std::string& method, const std::map<std::string, double>& changed) {
  run::Hyperparameters result{};
  result.method = method;
  result.settings = needs_of(method).settings;
  for (const auto& [name, value] : changed) {
    if (const auto found = result.settings.find(name); found != result.settings.end()) found->second = value;
  }
  return result;
}

}  // namespace l2t::test
