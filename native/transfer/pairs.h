#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "native/nets/network.h"

namespace l2t::transfer {

/// Feature `source_feature` of source `source` is matched by feature `target_feature` of the target.
struct Pair {
  int source;
  int source_feature;
  int target_feature;
};

/// The target's features that are in a pair, each once.
std::vector<int> target_features(const std::vector<Pair>& pairs);

/// Pairs (m, n) of a matching configuration, as method.md defines them: all-to-all, one-to-one, single, or a list such
/// as "4-0,9-1". Throws INVALID_OPTION for an empty configuration (listing both networks' candidates), an index that
/// does not exist, a repeated pair, or any other text.
std::vector<std::pair<int, int>> resolve_pairs(const nets::Network& source, int64_t source_size,
                                               const nets::Network& target, int64_t target_size,
                                               const std::string& configuration);

}  // namespace l2t::transfer
