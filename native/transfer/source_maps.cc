#include "native/transfer/source_maps.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <algorithm>
#include <map>
#include <utility>

namespace l2t::transfer {

std::vector<nets::Activations> source_activations(const backends::Backend& backend, const std::vector<Source>& sources,
                                                  const std::vector<at::Tensor>& x) {
  std::vector<nets::Activations> result;
  result.reserve(sources.size());
  for (size_t k = 0; k < sources.size(); ++k) {
    const auto& [network, parameters, buffers] = sources[k];
    result.push_back(backend.infer(network, parameters, buffers, x[k]));
  }
  return result;
}

namespace {

at::Tensor resize(const at::Tensor& map, int64_t side) {
  return map.size(2) == side ? map : at::upsample_bilinear2d(map, {side, side}, /*align_corners=*/false);
}

/// Pairs by target map, each map once, in order of appearance.
std::vector<SharedMap> group_by_target(const std::vector<Pair>& pairs) {
  std::vector<SharedMap> groups;
  for (size_t i = 0; i < pairs.size(); ++i) {
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const SharedMap& map) { return map.feature == pairs[i].target_feature; });
    if (group == groups.end()) group = groups.insert(groups.end(), {pairs[i].target_feature, {}, {}});
    group->pairs.push_back(static_cast<int>(i));
  }
  return groups;
}

}  // namespace

SourceMaps make_source_maps(const std::vector<nets::Activations>& sources, const std::vector<Pair>& pairs,
                            const std::vector<int64_t>& target_sizes) {
  const auto map_of = [&](int pair) -> const at::Tensor& {
    return sources[pairs[pair].source].features[pairs[pair].source_feature];
  };
  SourceMaps maps;
  maps.logits = sources.front().logits;
  std::map<std::pair<int, int>, at::Tensor> pooled;  // a source feature in several pairs is pooled once
  for (const auto& pair : pairs) {
    auto& mean = pooled[{pair.source, pair.source_feature}];
    if (!mean.defined()) mean = at::mean(sources[pair.source].features[pair.source_feature], {2, 3});
    maps.pooled.push_back(mean);
  }
  maps.shared = group_by_target(pairs);
  maps.resized.resize(pairs.size());
  for (auto& shared : maps.shared) {
    std::vector<at::Tensor> parts;
    for (const int pair : shared.pairs) parts.push_back(resize(map_of(pair), target_sizes[shared.feature]));
    shared.source = parts.size() == 1 ? parts.front() : at::cat(parts, 1);
    int64_t begin = 0;
    for (size_t k = 0; k < parts.size(); ++k) {
      maps.resized[shared.pairs[k]] = shared.source.narrow(1, begin, parts[k].size(1));
      begin += parts[k].size(1);
    }
  }
  return maps;
}

}  // namespace l2t::transfer
