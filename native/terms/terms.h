#pragma once
#include <memory>
#include <string>

#include "native/terms/setup.h"
#include "native/terms/term.h"

namespace l2t::terms {

/// The cross-entropy, which every loss has.
constexpr const char* kCrossEntropy = "org";

/// Makes a term of the table in terms.cc. Throws INVALID_OPTION where the run lacks what the term needs.
std::unique_ptr<Term> make_term(const std::string& name, Setup& setup);

}  // namespace l2t::terms
