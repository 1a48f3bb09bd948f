#pragma once
#include "native/backends/cuda/products.h"
#include "native/nets/forward.h"

namespace l2t::backends::cuda {

/// nets::forward with running statistics: batch norm and what follows a convolution are one own kernel.
nets::Activations infer(const nets::Network& network, Tensors parameters, Tensors buffers, const at::Tensor& x,
                        const Products& products);

}  // namespace l2t::backends::cuda
