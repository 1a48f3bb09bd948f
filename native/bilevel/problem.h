#pragma once
#include <memory>
#include <vector>

#include "native/backends/backend.h"
#include "native/core/phases.h"
#include "native/core/settings.h"
#include "native/terms/terms.h"

namespace l2t::bilevel {

using terms::Batch;

/// Everything that stays the same during a run.
struct Problem {
  nets::Network target;
  std::vector<transfer::Pair> pairs;
  transfer::MetaNetworks meta_networks;
  /// The cross-entropy, and what the method adds to it.
  std::unique_ptr<terms::Term> cross_entropy;
  std::vector<std::unique_ptr<terms::Term>> added;
  Settings settings;
  int inner_steps = 0;  // T
  const backends::Backend* backend = nullptr;
  const Reducer* reducer = &single_process();
  bool local_norm = false;   // batch norm's statistics are of a rank's own images, not of the whole batch
  Phases* phases = nullptr;  // null: not measured

  /// The sum of a real step: the cross-entropy first.
  [[nodiscard]] std::vector<terms::Term*> all_terms() const {
    std::vector<terms::Term*> all{cross_entropy.get()};
    for (const auto& term : added) all.push_back(term.get());
    return all;
  }
  /// The sum of a virtual step but the last: what the meta-networks weight. The last step takes the cross-entropy
  /// alone.
  [[nodiscard]] std::vector<terms::Term*> virtual_terms() const {
    std::vector<terms::Term*> weighted;
    for (const auto& term : added) {
      if (term->in_virtual_steps()) weighted.push_back(term.get());
    }
    return weighted;
  }
  /// Returns the images that batch norm's statistics cover.
  [[nodiscard]] SharedBatch norm(const Batch& batch) const {
    return local_norm ? SharedBatch{&single_process(), batch.x.size(0)} : batch.whole;
  }
};

}  // namespace l2t::bilevel
