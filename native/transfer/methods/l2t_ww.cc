#include "native/transfer/method.h"

namespace l2t::transfer {

// L2T-ww, learned channels and amounts: L = L_org + β Σ_pairs mean_b λ_b Σ_c w_{b,c} e_{b,c}
const Method kL2tWw{"l2t-ww", /*matches=*/true, /*what=*/true, /*where=*/true};

}  // namespace l2t::transfer
