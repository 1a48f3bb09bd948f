#include "native/transfer/method.h"

namespace l2t::transfer {

// Amounts only, an ablation: L = L_org + β Σ_pairs mean_b λ_b Σ_c e_{b,c}, a sum over channels where FM takes the mean.
const Method kAmountsOnly{"amounts-only", /*matches=*/true, /*what=*/false, /*where=*/true};

}  // namespace l2t::transfer
