#include "native/transfer/branches.h"

namespace l2t::transfer {

std::vector<TensorSpec> branch_specs(const std::vector<Source>& sources, const nets::Network& target,
                                     const std::vector<Pair>& pairs) {
  const auto channels = source_channels(sources, pairs);
  std::vector<TensorSpec> specs;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto name = "branch." + std::to_string(i);
    const int64_t in = target.features[pairs[i].target_feature].channels;
    specs.push_back({name + ".weight", {channels[i], in, 1, 1}});
    specs.push_back({name + ".bias", {channels[i]}});
  }
  return specs;
}

std::vector<nets::ParameterInit> branch_initialisation(const nets::Network& target, const std::vector<Pair>& pairs) {
  std::vector<nets::ParameterInit> inits;
  for (const auto& pair : pairs) {
    inits.insert(inits.end(), 2, {nets::Initialisation::kUniformFanIn, target.features[pair.target_feature].channels});
  }
  return inits;
}

std::vector<int> source_channels(const std::vector<Source>& sources, const std::vector<Pair>& pairs) {
  std::vector<int> channels;
  for (const auto& pair : pairs)
    channels.push_back(sources[pair.source].network.features[pair.source_feature].channels);
  return channels;
}

}  // namespace l2t::transfer
