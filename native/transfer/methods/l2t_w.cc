#include "native/transfer/method.h"

namespace l2t::transfer {

// L2T-w, learned channels and fixed amounts: L = L_org + β Σ_pairs mean_b Σ_c w_{b,c} e_{b,c}
const Method kL2tW{"l2t-w", /*matches=*/true, /*what=*/true, /*where=*/false};

}  // namespace l2t::transfer
