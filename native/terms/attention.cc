#include "native/terms/attention.h"

#include <ATen/TensorOperators.h>

namespace l2t::terms {
namespace {

/// a: B × H × W.
at::Tensor energy(const at::Tensor& map) { return map.square().mean(1); }

at::Tensor norm(const at::Tensor& a) { return a.square().sum({1, 2}, /*keepdim=*/true).sqrt(); }

class Attention final : public PairTerm {
 public:
  Attention(const std::string& name, Setup& setup)
      : PairTerm(name, setup.pairs()), weight_(setup.setting("attentionWeight")) {}

  [[nodiscard]] bool reads_resized() const override { return true; }

 private:
  MapLoss evaluate_pair(size_t i, const Batch& batch, const at::Tensor& t, Tensors /*theta*/,
                        Gradient& /*gradient*/) const override {
    return attention_value(batch.maps.resized[i], t, weight_, batch.whole.images);
  }

  double weight_;
};

}  // namespace

MapLoss attention_value(const at::Tensor& s, const at::Tensor& t, double weight, int64_t images) {
  const auto a_source = energy(s);
  const auto a = energy(t);
  const auto length = norm(a);
  const auto divisor = length.clamp_min(kSmallestNorm);
  const auto q = a / divisor;
  const auto difference = q - a_source / norm(a_source).clamp_min(kSmallestNorm);
  const auto count = static_cast<double>(images * t.size(2) * t.size(3));
  const auto q_bar = difference * (2 * weight / count);
  // A divisor that is the bound is a constant.
  const auto along = (q * q_bar).sum({1, 2}, /*keepdim=*/true) * (length > kSmallestNorm);
  const auto a_bar = (q_bar - q * along) / divisor;
  const auto scale = 2 / static_cast<double>(t.size(1));
  return {difference.square().sum() * (weight / count), t * (a_bar * scale).unsqueeze(1)};
}

std::unique_ptr<Term> make_attention(const std::string& name, Setup& setup) {
  return std::make_unique<Attention>(name, setup);
}

}  // namespace l2t::terms
