#pragma once
#include <string>
#include <vector>

#include "native/core/parameters.h"
#include "native/nets/network.h"
#include "native/transfer/source_maps.h"

namespace l2t::transfer {

/// r of pair i: `branch.i`, a 1×1 convolution with bias, C_n → C_m; part of θ, thrown away after training.
std::vector<TensorSpec> branch_specs(const std::vector<Source>& sources, const nets::Network& target,
                                     const std::vector<Pair>& pairs);

/// Uniform ± 1/√C_n, biases too.
std::vector<nets::ParameterInit> branch_initialisation(const nets::Network& target, const std::vector<Pair>& pairs);

/// C_m of every pair.
std::vector<int> source_channels(const std::vector<Source>& sources, const std::vector<Pair>& pairs);

}  // namespace l2t::transfer
