#include "native/transfer/pairs.h"

#include <algorithm>
#include <regex>

#include "native/core/error.h"

namespace l2t::transfer {
namespace {

using PairList = std::vector<std::pair<int, int>>;

std::string list_candidates(const nets::Network& network, int64_t size) {
  const auto sizes = nets::feature_sizes(network, size);
  std::string text = network.name + " at " + std::to_string(size) + " pixels:";
  for (const int i : nets::candidates(network, size)) {
    text += " " + std::to_string(i) + " (" + std::to_string(network.features[i].channels) + " channels, " +
            std::to_string(sizes[i]) + "x" + std::to_string(sizes[i]) + ")";
  }
  return text;
}

int parse_feature(const std::string& digits, const nets::Network& network) {
  const int count = static_cast<int>(network.features.size());
  const int index = digits.size() > 4 ? count : std::stoi(digits);
  if (index >= count) {
    throw Error("INVALID_OPTION", "Feature " + digits + " does not exist: " + network.name + " has features 0 to " +
                                      std::to_string(count - 1) + ".");
  }
  return index;
}

PairList parse_list(const std::string& text, const nets::Network& source, const nets::Network& target) {
  static const std::regex shape(R"(\s*\d+-\d+\s*(,\s*\d+-\d+\s*)*)");
  static const std::regex item(R"((\d+)-(\d+))");
  if (text.size() > 10000 || !std::regex_match(text, shape)) {
    throw Error("INVALID_OPTION", "Pairs must be all-to-all, one-to-one, single, or a list such as 4-0,9-1, not '" +
                                      text.substr(0, 100) + "'.");
  }
  PairList pairs;
  for (auto match = std::sregex_iterator(text.begin(), text.end(), item); match != std::sregex_iterator(); ++match) {
    const std::pair<int, int> pair{parse_feature((*match)[1], source), parse_feature((*match)[2], target)};
    if (std::find(pairs.begin(), pairs.end(), pair) != pairs.end()) {
      throw Error("INVALID_OPTION", "Pair " + match->str() + " is listed twice.");
    }
    pairs.push_back(pair);
  }
  return pairs;
}

}  // namespace

PairList resolve_pairs(const nets::Network& source, int64_t source_size, const nets::Network& target,
                       int64_t target_size, const std::string& configuration) {
  const bool all = configuration == "all-to-all";
  const bool single = configuration == "single";
  if (!all && !single && configuration != "one-to-one") return parse_list(configuration, source, target);

  const auto source_sizes = nets::feature_sizes(source, source_size);
  const auto target_sizes = nets::feature_sizes(target, target_size);
  const auto source_candidates = nets::candidates(source, source_size);
  PairList pairs;
  for (const int m : source_candidates) {
    if (single && m != source_candidates.back()) continue;
    for (const int n : nets::candidates(target, target_size)) {
      if (all || source_sizes[m] == target_sizes[n]) pairs.emplace_back(m, n);
    }
  }
  if (pairs.empty()) {
    throw Error("INVALID_OPTION", "There is no " + configuration + " pair: no candidate features have equal size. " +
                                      list_candidates(source, source_size) + "; " +
                                      list_candidates(target, target_size) +
                                      ". Use all-to-all, or a list such as 4-0.");
  }
  return pairs;
}

}  // namespace l2t::transfer
