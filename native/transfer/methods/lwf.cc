#include "native/transfer/method.h"

namespace l2t::transfer {

// LwF, learning without forgetting: L = L_org + L_lwf of distillation.h, with the first source   (Li & Hoiem 2016)
const Method kLearningWithoutForgetting{"lwf", false, false, false, /*attends=*/false, /*distils=*/true};

}  // namespace l2t::transfer
