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

// The table's entries: the file of each has its formula.
std::unique_ptr<Term> make_cross_entropy(const std::string& name, Setup& setup);
std::unique_ptr<Term> make_matching(const std::string& name, Setup& setup);
std::unique_ptr<Term> make_attention(const std::string& name, Setup& setup);
std::unique_ptr<Term> make_distillation(const std::string& name, Setup& setup);
std::unique_ptr<Term> make_kd(const std::string& name, Setup& setup);
std::unique_ptr<Term> make_l2_sp(const std::string& name, Setup& setup);
std::unique_ptr<Term> make_sp(const std::string& name, Setup& setup);
std::unique_ptr<Term> make_vid(const std::string& name, Setup& setup);

}  // namespace l2t::terms
