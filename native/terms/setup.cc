#include "native/terms/setup.h"

#include "native/core/error.h"

namespace l2t::terms {

Setup::Setup(const Method& method, const nets::Network& target, const std::vector<transfer::Source>& sources,
             const std::vector<transfer::Pair>& pairs, const Settings& settings, const at::TensorOptions& options,
             const backends::Backend& backend)
    : method_(method),
      target_(target),
      sources_(sources),
      pairs_(pairs),
      settings_(settings),
      options_(options),
      backend_(backend) {
  add_parameters("target", target.parameters, target.initialisation, Purpose::kTarget);
}

const std::vector<transfer::Pair>& Setup::pairs() {
  if (pairs_.empty()) refuse(" needs a source and pairs.");
  pairs_taken_ = true;
  return pairs_;
}

const nets::Network& Setup::first_source() const {
  if (sources_.empty()) refuse(" needs a source.");
  return sources_.front().network;
}

void Setup::require_source_of_classes() const {
  if (first_source().classes != target_.classes) refuse(" needs a source with the classes of the data.");
}

Slice Setup::add_parameters(const std::string& slice, const std::vector<TensorSpec>& specs,
                            const std::vector<nets::ParameterInit>& initialisation, Purpose purpose) {
  const auto added = theta_.add(slice, specs);
  if (starts_.empty() || starts_.back().purpose != purpose) starts_.push_back({purpose, {added.begin, 0}, {}});
  auto& start = starts_.back();
  start.slice.count += added.count;
  start.initialisation.insert(start.initialisation.end(), initialisation.begin(), initialisation.end());
  return added;
}

void Setup::require_pairs_taken() const {
  if (!pairs_.empty() && !pairs_taken_) refuse(" matches no features: drop the pairs.");
}

void Setup::refuse(const std::string& what) const { throw Error("INVALID_OPTION", "Method " + method_.name + what); }

}  // namespace l2t::terms
