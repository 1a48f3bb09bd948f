#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "native/data/batches.h"
#include "native/nets/forward.h"

namespace l2t::run {

/// The one way from images to logits: the network in evaluation mode on `pixels` (uint8, B × S × S × 3), which are
/// resized to `size` where S differs.
nets::Activations infer(const nets::Network& network, const std::vector<at::Tensor>& parameters,
                        const std::vector<at::Tensor>& buffers, const at::Tensor& pixels, int64_t size,
                        const data::Normalisation& normalisation);

struct Evaluation {
  int64_t correct = 0;
  int64_t total = 0;
  double loss = 0;         // mean cross-entropy, nats
  at::Tensor predictions;  // int32 on the CPU, one class an image, in the set's order

  [[nodiscard]] double accuracy() const { return static_cast<double>(correct) / static_cast<double>(total); }
};

/// The network in evaluation mode on every image; resized to `size` where it differs. Between batches `stopped` is
/// asked; nothing where it says so, or where decoding was told to end.
std::optional<Evaluation> evaluate(const nets::Network& network, const std::vector<at::Tensor>& parameters,
                                   const std::vector<at::Tensor>& buffers, data::EvaluationBatches batches,
                                   int64_t size, const data::Normalisation& normalisation,
                                   const std::function<bool()>& stopped);

}  // namespace l2t::run
