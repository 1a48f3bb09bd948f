#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "native/backends/cpu/loops.h"
#include "native/nets/network.h"

namespace l2t::backends::cpu {

/// The form for a convolution with these weights on square maps of `side`; none where LibTorch computes it: where it is
/// not 3×3 with stride 1 and padding 1, of all channels with all.
std::optional<Form> form_of(const nets::Conv2d& conv, const std::vector<int64_t>& weight, int64_t side);

}  // namespace l2t::backends::cpu
