#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/nets/forward.h"
#include "native/transfer/pairs.h"

namespace l2t::transfer {

/// A frozen, pretrained network.
struct Source {
  nets::Network network;
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> buffers;
};

/// `weights`: under the names of the network's parameters and buffers.
Source load_source(nets::Network network, const std::vector<NamedTensor>& weights, const at::TensorOptions& options);

/// All that a batch needs from the sources, computed once per iteration.
struct SourceMaps {
  /// By pair: S^m averaged over places, before any resizing: B × C_m.
  std::vector<at::Tensor> pooled;
  /// By pair: S^m at the target map's size, B × C_m × H_n × W_n (backends/matching.h). Empty where nothing reads it.
  std::vector<at::Tensor> resized;
  /// The first source's logits, B × classes: in the order of the data's classes where the run names it.
  at::Tensor logits;
};

/// The source map of a pair, at its own size.
const at::Tensor& map_of(const std::vector<nets::Activations>& sources, const Pair& pair);

/// Makes all but the resized maps.
SourceMaps make_source_maps(const std::vector<nets::Activations>& sources, const std::vector<Pair>& pairs);

/// SourceMaps::resized. `target_sizes`: sides of the target's features.
std::vector<at::Tensor> resized_maps(const std::vector<nets::Activations>& sources, const std::vector<Pair>& pairs,
                                     const std::vector<int64_t>& target_sizes);

}  // namespace l2t::transfer
