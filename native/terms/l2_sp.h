#pragma once
#include "native/terms/terms.h"

namespace l2t::terms {

/// L²-SP (Li, Grandvalet & Davoine 2018): the target stays near the weights that it started from.
///
///   forward    L = α/2 ‖θ_S − θ_S⁰‖² + β/2 ‖θ_new‖²
///   backward   θ̄_S = α (θ_S − θ_S⁰) ;  θ̄_new = β θ_new
///
/// θ_S: all parameters of the target but the last layer's, those of batch norm, too; θ_S⁰: their values at the start;
/// θ_new: the last layer, which is new; α: `l2SpAlpha`; β: `l2SpBeta`.
std::unique_ptr<Term> make_l2_sp(const std::string& name, Setup& setup);

}  // namespace l2t::terms
