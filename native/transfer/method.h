#pragma once
#include <string>
#include <vector>

namespace l2t::transfer {

/// What a method adds to L_org. One file a method in `methods/`, its formula at the head.
struct Method {
  const char* name;
  /// Matches feature maps through branches r.
  bool matches;
  /// Channel weights w come from f (else every channel counts the same).
  bool what;
  /// Amounts λ come from g (else 1).
  bool where;

  /// Has meta-networks to train.
  [[nodiscard]] bool bilevel() const { return what || where; }
};

extern const Method kScratch;
extern const Method kFeatureMatching;
extern const Method kAmountsOnly;
extern const Method kL2tW;
extern const Method kL2tWw;

/// Throws INVALID_OPTION for a name that is no method's.
const Method& method_named(const std::string& name);

}  // namespace l2t::transfer
