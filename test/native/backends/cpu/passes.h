#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/backends/cpu/loops.h"

namespace l2t::backends::cpu {

/// What the loops over maps, of the matching loss and of its Gram form write, each called once on random tensors of 19
/// channels. The same tensors for every instruction set.
template <class T>
std::vector<at::Tensor> passes(const Loops<T>& loops);

}  // namespace l2t::backends::cpu
