#include "native/terms/terms.h"

#include <map>

#include "native/core/error.h"
#include "native/terms/attention.h"
#include "native/terms/cross_entropy.h"
#include "native/terms/distillation.h"
#include "native/terms/matching.h"

namespace l2t::terms {
namespace {

using Make = std::unique_ptr<Term> (*)(const std::string& name, Setup& setup);

/// The table of terms.
const std::map<std::string, Make> kTerms{
    {kCrossEntropy, make_cross_entropy},
    {"matching", make_matching},
    {"attention", make_attention},
    {"distillation", make_distillation},
};

}  // namespace

std::unique_ptr<Term> make_term(const std::string& name, Setup& setup) { return kTerms.at(name)(name, setup); }

void TermPoint::tangent(const nets::Activations& /*dot*/, Tensors /*theta_dot*/, bool /*keep*/) {
  throw Error("INTERNAL", "A virtual step takes a term that has no tangent.");
}

void TermPoint::tangent_backward(nets::Activations& /*bar_dot*/, Tensors /*theta_bar_dot*/) {
  throw Error("INTERNAL", "A virtual step takes a term that has no tangent.");
}

at::Tensor Term::phi_gradient(const Batch& /*batch*/, const transfer::MetaNetworks& /*networks*/) const {
  throw Error("INTERNAL", "The meta-networks weight a term that has no weights.");
}

}  // namespace l2t::terms
