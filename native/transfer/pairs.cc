#include "native/transfer/pairs.h"

#include <algorithm>
#include <set>

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
    throw Error("INVALID_OPTION", "Feature " + digits.substr(0, 20) + " does not exist: " + network.name +
                                      " has features 0 to " + std::to_string(count - 1) + ".");
  }
  return index;
}

/// "4-0" with blanks around it → "4" and "0"; both empty for any other text.
std::pair<std::string, std::string> split_item(const std::string& text) {
  const auto is_digit = [](char letter) { return letter >= '0' && letter <= '9'; };
  const auto begin = text.find_first_not_of(" \t\n\r");
  const auto dash = text.find('-');
  if (begin == std::string::npos || dash == std::string::npos) return {};
  const auto end = text.find_last_not_of(" \t\n\r") + 1;
  if (begin >= dash || dash + 1 >= end) return {};
  auto first = text.substr(begin, dash - begin);
  auto second = text.substr(dash + 1, end - dash - 1);
  const bool digits =
      std::all_of(first.begin(), first.end(), is_digit) && std::all_of(second.begin(), second.end(), is_digit);
  return digits ? std::pair{std::move(first), std::move(second)} : std::pair<std::string, std::string>{};
}

PairList parse_list(const std::string& text, const nets::Network& source, const nets::Network& target) {
  PairList pairs;
  for (size_t begin = 0; begin <= text.size();) {
    const auto end = std::min(text.find(',', begin), text.size());
    const auto [m, n] = split_item(text.substr(begin, end - begin));
    if (m.empty()) {
      throw Error("INVALID_OPTION", "Pairs must be all-to-all, one-to-one, single, or a list such as 4-0,9-1, not '" +
                                        text.substr(0, 100) + "'.");
    }
    const std::pair<int, int> pair{parse_feature(m, source), parse_feature(n, target)};
    if (std::find(pairs.begin(), pairs.end(), pair) != pairs.end()) {
      throw Error("INVALID_OPTION", std::string("Pair ").append(m).append("-").append(n).append(" is listed twice."));
    }
    pairs.push_back(pair);
    begin = end + 1;
  }
  return pairs;
}

}  // namespace

std::vector<int> target_features(const std::vector<Pair>& pairs) {
  std::set<int> features;
  for (const auto& pair : pairs) features.insert(pair.target_feature);
  return {features.begin(), features.end()};
}

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
                                      ". Use {pairs=all-to-all}, or a list such as 4-0.");
  }
  return pairs;
}

}  // namespace l2t::transfer
