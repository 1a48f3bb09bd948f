#include "native/terms/attention.h"

#include <ATen/TensorOperators.h>

namespace l2t::terms {
namespace {

/// a: B × H × W.
at::Tensor energy(const at::Tensor& map) { return map.square().mean(1); }

at::Tensor norm(const at::Tensor& a) {
  return a.square().sum({1, 2}, /*keepdim=*/true).sqrt().clamp_min(kSmallestNorm);
}

class AttentionPoint final : public TermPoint {
 public:
  AttentionPoint(const std::vector<transfer::Pair>& pairs, const transfer::SourceMaps& maps, double weight)
      : pairs_(pairs), sources_(maps.resized), weight_(weight) {}

  at::Tensor forward(const nets::Activations& target, Tensors /*theta*/) override {
    at::Tensor loss;
    for (size_t i = 0; i < pairs_.size(); ++i) {
      auto value = attention_value(sources_[i], target.features[pairs_[i].target_feature], weight_);
      add_to(loss, value.loss);
      t_bars_.push_back(std::move(value.t_bar));
    }
    return loss;
  }
  void backward(nets::Activations& bar, Tensors /*theta_bar*/) override {
    for (size_t i = 0; i < pairs_.size(); ++i) add_to(bar.features[pairs_[i].target_feature], std::move(t_bars_[i]));
  }

 private:
  const std::vector<transfer::Pair>& pairs_;
  std::vector<at::Tensor> sources_;
  double weight_;
  std::vector<at::Tensor> t_bars_;  // one for each pair
};

class Attention final : public Term {
 public:
  Attention(const std::string& name, Setup& setup)
      : Term(name), pairs_(setup.pairs()), weight_(setup.setting("attentionWeight")) {}

  [[nodiscard]] Reads reads() const override {
    return {.logits = false, .features = transfer::target_features(pairs_)};
  }
  std::unique_ptr<TermPoint> point(const Batch& batch) override {
    return std::make_unique<AttentionPoint>(pairs_, batch.maps, weight_);
  }

 private:
  std::vector<transfer::Pair> pairs_;
  double weight_;
};

}  // namespace

AttentionValue attention_value(const at::Tensor& s, const at::Tensor& t, double weight) {
  const auto a_source = energy(s);
  const auto a = energy(t);
  const auto length = norm(a);
  const auto q = a / length;
  const auto difference = q - a_source / norm(a_source);
  const auto count = static_cast<double>(difference.numel());
  const auto q_bar = difference * (2 * weight / count);
  const auto a_bar = (q_bar - q * (q * q_bar).sum({1, 2}, /*keepdim=*/true)) / length;
  const auto scale = 2 / static_cast<double>(t.size(1));
  return {difference.square().sum() * (weight / count), t * (a_bar * scale).unsqueeze(1)};
}

std::unique_ptr<Term> make_attention(const std::string& name, Setup& setup) {
  return std::make_unique<Attention>(name, setup);
}

}  // namespace l2t::terms
