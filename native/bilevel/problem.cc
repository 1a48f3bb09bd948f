#include "native/bilevel/problem.h"

namespace l2t::bilevel {

std::vector<terms::Term*> Problem::all_terms() const {
  std::vector<terms::Term*> all{cross_entropy.get()};
  for (const auto& term : added) all.push_back(term.get());
  return all;
}

std::vector<terms::Term*> Problem::virtual_terms() const {
  std::vector<terms::Term*> weighted;
  for (const auto& term : added) {
    if (term->in_virtual_steps()) weighted.push_back(term.get());
  }
  return weighted;
}

SharedBatch Problem::norm(const Batch& batch) const {
  return local_norm ? SharedBatch{&single_process(), batch.x.size(0)} : batch.whole;
}

}  // namespace l2t::bilevel
