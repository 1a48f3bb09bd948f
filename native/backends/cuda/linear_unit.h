#pragma once
#include <memory>

#include "native/backends/cuda/conv_unit.h"
#include "native/backends/cuda/products.h"

namespace l2t::backends::cuda {

/// A linear layer. It comes before the unit that writes `gradients` in a backward sweep, and adds its own.
std::unique_ptr<Unit> make_linear_unit(const nets::Linear& op, const Products& products,
                                       std::shared_ptr<Gradients> gradients);

}  // namespace l2t::backends::cuda
