#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/backends/cpu/loops.h"

namespace l2t::backends::cpu {

/// Returns the output of each loop over maps, of the matching loss and of its Gram form, called once on random tensors
/// of 19 channels. All instruction sets get the same tensors.
template <class T>
std::vector<at::Tensor> passes(const Loops<T>& loops);

}  // namespace l2t::backends::cpu
