#pragma once
#include <string>
#include <vector>

namespace l2t::transfer {

/// What a method adds to L_org. Each method has a file in `methods/`, with its formula.
struct Method {
  const char* name;
  /// Matches feature maps through branches r.
  bool matches;
  /// Channel weights w come from f (else every channel counts the same).
  bool what;
  /// Amounts λ come from g (else 1).
  bool where;
  /// Attention transfer over its pairs (attention.h).
  bool attends = false;
  /// Learning without forgetting, from the first source (distillation.h).
  bool distils = false;

  /// Whether it has meta-networks to train.
  [[nodiscard]] bool bilevel() const { return what || where; }
  [[nodiscard]] bool has_pairs() const { return matches || attends; }
  [[nodiscard]] bool has_source() const { return has_pairs() || distils; }
};

extern const Method kScratch;
extern const Method kFeatureMatching;
extern const Method kAmountsOnly;
extern const Method kL2tW;
extern const Method kL2tWw;
extern const Method kAttentionTransfer;
extern const Method kLearningWithoutForgetting;
extern const Method kLwfAndAttention;
extern const Method kFinetune;

/// Throws INVALID_OPTION for an unknown name.
const Method& method_named(const std::string& name);

}  // namespace l2t::transfer
