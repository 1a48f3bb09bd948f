#include "native/transfer/method.h"

namespace l2t::transfer {

// FM, unweighted feature matching: L = L_org + β Σ_pairs mean_b mean_c e_{b,c}   (Romero et al. 2015)
const Method kFeatureMatching{"fm", /*matches=*/true, /*what=*/false, /*where=*/false};

}  // namespace l2t::transfer
