#include "native/transfer/method.h"

namespace l2t::transfer {

// LwF + AT: L = L_org + L_lwf + L_at
const Method kLwfAndAttention{"lwf+at", false, false, false, /*attends=*/true, /*distils=*/true};

}  // namespace l2t::transfer
