#include <ATen/TensorOperators.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/sqrt.h>

#include "native/backends/cpu/backend.h"
#include "native/backends/cpu/domain.h"
#include "native/backends/cpu/form.h"
#include "native/backends/fused_unit.h"
#include "native/ops/conv2d.h"

namespace l2t::backends::cpu {
namespace {

/// A convolution with running batch norm folded in.
struct Folded {
  at::Tensor weight;
  at::Tensor bias;
};

Folded fold(const nets::Conv2d& conv, const nets::BatchNorm& norm, Tensors parameters, Tensors buffers) {
  const auto& weight = parameters[conv.weight];
  const auto in_double = [](const at::Tensor& values) { return values.to(at::kDouble); };
  const auto slope =
      in_double(parameters[norm.scale]) / at::sqrt(in_double(buffers[norm.variance]) + nets::kBatchNormEpsilon);
  auto mean = in_double(buffers[norm.mean]);
  if (conv.bias >= 0) mean = mean - in_double(parameters[conv.bias]);
  return {(weight * slope.to(weight.scalar_type()).view({-1, 1, 1, 1})).contiguous(),
          (in_double(parameters[norm.shift]) - mean * slope).to(weight.scalar_type())};
}

template <class T>
at::Tensor in_domain(const Geometry& geometry, const at::Tensor& x, const Folded& conv, const at::Tensor& skip,
                     bool relu) {
  const Domain<T> domain(geometry, conv.weight.size(0), x.options().memory_format({}));
  return domain.inference(domain.input(x), domain.weights(conv.weight), conv.bias, skip, relu);
}

}  // namespace

nets::Activations Cpu::infer(const nets::Network& network, Tensors parameters, Tensors buffers,
                             const at::Tensor& x) const {
  const auto run = [&](const FusedUnit& unit, const at::Tensor& map, const at::Tensor& skip) {
    const auto& conv = unit.conv;
    const auto folded = fold(conv, unit.norm, parameters, buffers);
    const auto geometry = geometry_of(conv, network.parameters[conv.weight].shape, map.size(0), map.size(2));
    const bool relu = unit.end.relu;
    Values maps(1);
    if (!geometry) {
      maps[0] = ops::conv2d(map, folded.weight, folded.bias, {conv.stride, conv.padding, conv.groups});
      if (skip.defined()) maps[0].add_(skip);
      if (relu) maps[0].relu_();
    } else {
      maps[0] = map.scalar_type() == at::kFloat ? in_domain<float>(*geometry, map, folded, skip, relu)
                                                : in_domain<double>(*geometry, map, folded, skip, relu);
    }
    if (unit.end.pool) maps.push_back(at::max_pool2d(maps[0], {2, 2}));
    return maps;
  };
  return fused_inference(network, parameters, buffers, x, run);
}

}  // namespace l2t::backends::cpu
