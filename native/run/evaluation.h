#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "native/data/batches.h"
#include "native/nets/forward.h"

namespace l2t::run {

/// Runs the network in evaluation mode on `pixels` (uint8, B × S × S × 3). All inference uses this function.
nets::Activations infer(const nets::Network& network, const std::vector<at::Tensor>& parameters,
                        const std::vector<at::Tensor>& buffers, const at::Tensor& pixels,
                        const data::ToInput& to_input);

struct Evaluation {
  int64_t correct = 0;
  std::optional<int64_t> correct_top;  // images whose label is one of the K likeliest classes
  int64_t total = 0;
  double loss = 0;         // mean cross-entropy, nats
  at::Tensor predictions;  // int32 on the CPU, one class for each image, in the set's order

  static void fields(auto& self, auto&& visit) {
    visit("correct", self.correct);
    visit("correctTop", self.correct_top);
    visit("total", self.total);
    visit("loss", self.loss);
    visit("predictions", self.predictions);
  }

  [[nodiscard]] double accuracy() const { return static_cast<double>(correct) / static_cast<double>(total); }
};

/// Evaluates the network on every image, of which there is at least one; `top`: K of `correct_top`. Each rank
/// evaluates its share, and all return the whole set's. Returns nothing where `stopped`, called between batches,
/// returns true on a rank, or where decoding was stopped.
std::optional<Evaluation> evaluate(const nets::Network& network, const std::vector<at::Tensor>& parameters,
                                   const std::vector<at::Tensor>& buffers, data::EvaluationBatches batches,
                                   int64_t size, const data::Normalisation& normalisation,
                                   const std::function<bool()>& stopped, std::optional<int64_t> top = std::nullopt);

}  // namespace l2t::run
