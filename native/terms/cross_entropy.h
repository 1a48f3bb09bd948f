#pragma once
#include "native/terms/terms.h"

namespace l2t::terms {

/// L_org: the cross-entropy of the target's logits with the labels (ops/cross_entropy.h).
std::unique_ptr<Term> make_cross_entropy(const std::string& name, Setup& setup);

}  // namespace l2t::terms
