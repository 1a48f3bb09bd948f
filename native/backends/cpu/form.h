#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "native/backends/cpu/loops.h"
#include "native/nets/network.h"

namespace l2t::backends::cpu {

/// A convolution's form and shapes; none where LibTorch computes it: with several groups of channels, with outputs of
/// one place, or with many weights and no Winograd form (3×3, stride 1, padding 1, at least 8 channels). `weight`: the
/// weights' shape. `side`: of the maps before the convolution.
std::optional<Geometry> geometry_of(const nets::Conv2d& conv, const std::vector<int64_t>& weight, int64_t images,
                                    int64_t side);

/// Checks whether the weights in the domain are few enough for each block of strips to read all (domain.h).
bool few_weights(const Geometry& geometry, int64_t out);

}  // namespace l2t::backends::cpu
