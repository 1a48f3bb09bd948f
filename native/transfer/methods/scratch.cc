#include "native/transfer/method.h"

namespace l2t::transfer {

// scratch: L = L_org, the cross-entropy alone.
const Method kScratch{"scratch", /*matches=*/false, /*what=*/false, /*where=*/false};

}  // namespace l2t::transfer
