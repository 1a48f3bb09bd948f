#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "native/backends/cpu/loops.h"
#include "native/nets/network.h"

namespace l2t::backends::cpu {

/// A convolution's form, and of what shapes; none where LibTorch computes it: where it is no 3×3 convolution with
/// stride 1 and padding 1, and has many weights or several groups of channels. `weight`: the weights' shape. The maps
/// have `side` places along a side before the convolution.
std::optional<Geometry> geometry_of(const nets::Conv2d& conv, const std::vector<int64_t>& weight, int64_t images,
                                    int64_t side);

/// Whether so many weights in the domain are multiplied in cache (domain.h): each block of strips reads them.
bool few_weights(const Geometry& x, int64_t out);

}  // namespace l2t::backends::cpu
