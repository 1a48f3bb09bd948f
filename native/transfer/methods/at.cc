#include "native/transfer/method.h"

namespace l2t::transfer {

// AT, attention transfer: L = L_org + L_at of attention.h, summed over pairs   (Zagoruyko & Komodakis 2017)
const Method kAttentionTransfer{"at", false, false, false, /*attends=*/true, /*distils=*/false};

}  // namespace l2t::transfer
