#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/backends/backend.h"
#include "native/nets/forward.h"
#include "native/transfer/pairs.h"

namespace l2t::transfer {

/// A frozen, pretrained network.
struct Source {
  nets::Network network;
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> buffers;
};

/// All source maps that are matched with one target map, their channels side by side.
struct SharedMap {
  int feature;             // n, of the target
  std::vector<int> pairs;  // in order of their channels
  at::Tensor source;       // B × ΣC_m × H_n × W_n
};

/// All that a batch needs from the sources, computed once per iteration.
struct SourceMaps {
  /// By pair: S^m averaged over places, before any resizing: B × C_m.
  std::vector<at::Tensor> pooled;
  /// One for each target map that is in a pair.
  std::vector<SharedMap> shared;
  /// By pair: S^m at the target map's size, B × C_m × H_n × W_n (bilinear, align_corners = false, no antialiasing): a
  /// view into `shared`.
  std::vector<at::Tensor> resized;
  /// Of the first source, B × classes.
  at::Tensor logits;
};

/// Forward pass of every source k, in evaluation mode, on its images x[k].
std::vector<nets::Activations> source_activations(const backends::Backend& backend, const std::vector<Source>& sources,
                                                  const std::vector<at::Tensor>& x);

/// `target_sizes`: sides of the target's features.
SourceMaps make_source_maps(const std::vector<nets::Activations>& sources, const std::vector<Pair>& pairs,
                            const std::vector<int64_t>& target_sizes);

}  // namespace l2t::transfer
