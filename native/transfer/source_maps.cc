#include "native/transfer/source_maps.h"

#include <ATen/ops/mean.h>

#include <map>
#include <utility>

#include "native/backends/matching.h"
#include "native/nets/initialise.h"

namespace l2t::transfer {

Source load_source(nets::Network network, const std::vector<NamedTensor>& weights, const at::TensorOptions& options) {
  auto parameters = make_parameters(Layout(network.parameters), options).views;
  auto buffers = nets::make_buffers(network, options);
  copy_by_name(network.parameters, parameters, weights);
  copy_by_name(network.buffers, buffers, weights);
  return {std::move(network), std::move(parameters), std::move(buffers)};
}

const at::Tensor& map_of(const std::vector<nets::Activations>& sources, const Pair& pair) {
  return sources[pair.source].features[pair.source_feature];
}

SourceMaps make_source_maps(const std::vector<nets::Activations>& sources, const std::vector<Pair>& pairs) {
  SourceMaps maps;
  maps.logits = sources.front().logits;
  std::map<std::pair<int, int>, at::Tensor> pooled;  // a source feature in several pairs is pooled once
  for (const auto& pair : pairs) {
    auto& mean = pooled[{pair.source, pair.source_feature}];
    if (!mean.defined()) mean = at::mean(map_of(sources, pair), {2, 3});
    maps.pooled.push_back(mean);
  }
  return maps;
}

std::vector<at::Tensor> resized_maps(const std::vector<nets::Activations>& sources, const std::vector<Pair>& pairs,
                                     const std::vector<int64_t>& target_sizes) {
  std::vector<at::Tensor> maps;
  for (const auto& pair : pairs) {
    maps.push_back(backends::resized(map_of(sources, pair), target_sizes[pair.target_feature]));
  }
  return maps;
}

}  // namespace l2t::transfer
