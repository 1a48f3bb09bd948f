#include "native/terms/sp.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>

namespace l2t::terms {
namespace {

constexpr double kSmallestLength = 1e-12;

/// Q: maps lie channels last, and the order of Q's columns does not matter.
at::Tensor rows(const at::Tensor& map) { return map.permute({0, 2, 3, 1}).flatten(1); }

at::Tensor length(const at::Tensor& g) { return g.square().sum(1, /*keepdim=*/true).sqrt(); }

class Sp final : public PairTerm {
 public:
  Sp(const std::string& name, Setup& setup) : PairTerm(name, setup.pairs()), weight_(setup.setting("spWeight")) {}

  [[nodiscard]] bool reads_sources() const override { return true; }

  void begin(const Batch& batch) override {
    for (const auto& [source, m, n] : pairs())
      similarities_.push_back(similarity(batch.sources[source].features[m], batch.whole));
  }
  void end() override { similarities_.clear(); }

 private:
  MapLoss evaluate_pair(size_t i, const Batch& batch, const at::Tensor& t, Tensors /*theta*/,
                        Gradient& /*gradient*/) const override {
    return sp_value(similarities_[i], t, weight_, batch.whole);
  }

  double weight_;
  std::vector<at::Tensor> similarities_;  // G̃(S) of each pair
};

}  // namespace

at::Tensor similarity(const at::Tensor& map, const SharedBatch& whole) {
  const auto q = rows(map);
  const auto g = at::mm(q, whole.gather(q).t());
  return g / length(g).clamp_min(kSmallestLength);
}

MapLoss sp_value(const at::Tensor& g_source, const at::Tensor& t, double weight, const SharedBatch& whole) {
  const auto q = rows(t);
  const auto all_q = whole.gather(q);
  const auto g = at::mm(q, all_q.t());
  const auto norm = length(g);
  const auto divisor = norm.clamp_min(kSmallestLength);
  const auto normed = g / divisor;
  const auto difference = normed - g_source;
  const double scale = weight / static_cast<double>(whole.images * whole.images);
  const auto normed_bar = difference * (2 * scale);
  // A divisor that is the bound is a constant.
  const auto along = (normed * normed_bar).sum(1, /*keepdim=*/true) * (norm > kSmallestLength);
  const auto g_bar = (normed_bar - normed * along) / divisor;
  const auto all_g_bar = whole.gather(g_bar);
  const auto [begin, end] = whole.share();
  const auto q_bar = at::mm(g_bar + all_g_bar.slice(1, begin, end).t(), all_q);
  const auto channels_last = t.permute({0, 2, 3, 1});
  return {difference.square().sum() * scale, q_bar.view(channels_last.sizes()).permute({0, 3, 1, 2})};
}

std::unique_ptr<Term> make_sp(const std::string& name, Setup& setup) { return std::make_unique<Sp>(name, setup); }

}  // namespace l2t::terms
