#include "native/transfer/method.h"

namespace l2t::transfer {

// finetune: L = L_org, the cross-entropy alone, from a checkpoint's weights.
const Method kFinetune{"finetune", /*matches=*/false, /*what=*/false, /*where=*/false};

}  // namespace l2t::transfer
