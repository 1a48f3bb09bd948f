#include "native/transfer/method.h"

#include "native/core/error.h"

namespace l2t::transfer {

const Method& method_named(const std::string& name) {
  std::string known;
  for (const Method* method : {&kScratch, &kFinetune, &kLearningWithoutForgetting, &kAttentionTransfer,
                               &kLwfAndAttention, &kFeatureMatching, &kAmountsOnly, &kL2tW, &kL2tWw}) {
    if (name == method->name) return *method;
    known += std::string(known.empty() ? "" : ", ") + method->name;
  }
  throw Error("INVALID_OPTION", "Unknown method '" + name + "': use one of " + known + ".");
}

}  // namespace l2t::transfer
