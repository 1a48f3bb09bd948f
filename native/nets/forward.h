#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/nets/network.h"

namespace l2t::nets {

struct Activations {
  at::Tensor logits;                 // B × classes
  std::vector<at::Tensor> features;  // feature n: B × C_n × H_n × W_n
};

enum class Statistics {
  kRunning,         // evaluation, and the frozen source
  kBatch,           // a virtual step: running statistics stay
  kBatchAndUpdate,  // a real step: `buffers` move (momentum 0.1, unbiased variance)
};

/// Runs the list of operations on images x (B × 3 × H × W). `parameters` and `buffers` are in the network's order.
/// Values are dropped after their last reader.
Activations forward(const Network& network, Tensors parameters, Tensors buffers, const at::Tensor& x,
                    Statistics statistics);

/// How many numbers a network that runs elsewhere gives for an image: those of its feature maps and its logits.
int64_t values_per_image(const Network& network);

/// Splits the outputs of a network that runs elsewhere, for B images: `values` (1-dim) has each feature map,
/// B × C × H × W, then the logits.
Activations activations_from(const Network& network, const at::Tensor& values);

/// Applies one operation to x; `skip`: the second input of Add, which other kinds do not read.
at::Tensor apply(const OperationKind& kind, Tensors parameters, Tensors buffers, Statistics statistics,
                 const at::Tensor& x, const at::Tensor& skip);

/// For each value, the last operation that reads it (−1: none does).
std::vector<int> last_readers(const Network& network);

}  // namespace l2t::nets
