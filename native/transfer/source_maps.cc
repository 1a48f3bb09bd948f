#include "native/transfer/source_maps.h"

#include <ATen/ops/mean.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <map>
#include <tuple>

namespace l2t::transfer {

std::vector<nets::Activations> source_activations(const std::vector<Source>& sources, const std::vector<at::Tensor>& x) {
  std::vector<nets::Activations> result;
  result.reserve(sources.size());
  for (size_t k = 0; k < sources.size(); ++k) {
    const auto& [network, parameters, buffers] = sources[k];
    result.push_back(nets::forward(network, parameters, buffers, x[k], nets::Statistics::kRunning));
  }
  return result;
}

SourceMaps make_source_maps(const std::vector<nets::Activations>& sources, const std::vector<Pair>& pairs,
                            const std::vector<int64_t>& target_sizes) {
  std::map<std::tuple<int, int>, at::Tensor> pooled;
  std::map<std::tuple<int, int, int64_t>, at::Tensor> resized;
  SourceMaps maps;
  for (const auto& [source, m, n] : pairs) {
    const auto& map = sources[source].features[m];
    auto& mean = pooled[{source, m}];
    if (!mean.defined()) mean = at::mean(map, {2, 3});
    maps.pooled.push_back(mean);

    const int64_t side = target_sizes[n];
    auto& fitted = resized[{source, m, side}];
    if (!fitted.defined()) {
      fitted = map.size(2) == side ? map : at::upsample_bilinear2d(map, {side, side}, /*align_corners=*/false);
    }
    maps.resized.push_back(fitted);
  }
  return maps;
}

}  // namespace l2t::transfer
