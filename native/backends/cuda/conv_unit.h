#pragma once
#include <memory>

#include "native/backends/cuda/kernels.h"
#include "native/backends/fused_unit.h"
#include "native/backends/products.h"

namespace l2t::backends::cuda {

/// Gathers the gradient of all units of a network, so that one kernel writes it.
using Gradients = std::vector<Gradient>;

/// A convolution by LibTorch, with batch norm and what follows it in one own kernel a sweep. Maps are B × C × H × W,
/// channels last. `gradients` is shared by the units of a network; the one that reads the images comes last in a
/// backward sweep and writes them all.
std::unique_ptr<Unit> make_conv_unit(const FusedUnit& spec, Sweeps sweeps, const Products& products,
                                     std::shared_ptr<Gradients> gradients);

}  // namespace l2t::backends::cuda
