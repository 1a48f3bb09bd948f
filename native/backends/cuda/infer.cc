#include "native/backends/cuda/infer.h"

#include "native/backends/cuda/kernels.h"
#include "native/backends/fused_inference.h"

namespace l2t::backends::cuda {

nets::Activations infer(const nets::Network& network, Tensors parameters, Tensors buffers, const at::Tensor& x,
                        const Products& products) {
  const auto run = [&](const FusedUnit& unit, const at::Tensor& map, const at::Tensor& skip) {
    const auto& [conv, norm, end, input, inputs, outputs] = unit;
    const auto y = products.conv2d(map, parameters[conv.weight], {},
                                   {.stride = conv.stride, .padding = conv.padding, .groups = conv.groups});
    const auto bias = conv.bias < 0 ? at::Tensor() : parameters[conv.bias];
    return norm_inference(y, end.relu, end.pool, parameters[norm.scale], parameters[norm.shift],
                          skip.defined() ? skip.contiguous(at::MemoryFormat::ChannelsLast) : skip,
                          {buffers[norm.mean], buffers[norm.variance], bias});
  };
  return FusedInference(network, parameters, buffers, x, run)();
}

}  // namespace l2t::backends::cuda
