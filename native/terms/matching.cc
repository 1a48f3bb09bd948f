#include "native/terms/matching.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

namespace l2t::terms {
namespace {

using backends::MatchingSweep;
using backends::Pointwise;

/// What L_wfm reads of a batch at one target map T (B × C_n × H × W): the source maps of all pairs that share T, side
/// by side (C channels), and their coefficients.
struct MatchedMap {
  transfer::SharedMap sources;
  at::Tensor coefficient;  // B × C: k = β/B · λ · w

  [[nodiscard]] backends::MatchingInputs with(const at::Tensor& t) const { return {t, sources.source, coefficient}; }
};

/// What all points on a batch share.
struct MatchedBatch {
  std::vector<MatchedMap> maps;
  std::vector<at::Tensor> k_bar;  // one for each map: Σ ė over the tangent sweeps
};

class MatchingPoint final : public TermPoint {
 public:
  MatchingPoint(const std::vector<Slice>& branches, MatchedBatch& batch, const backends::Backend& backend)
      : branches_(branches), batch_(batch), backend_(backend) {}

  at::Tensor forward(const nets::Activations& target, Tensors theta) override {
    at::Tensor loss;
    for (const auto& map : batch_.maps) {
      t_.push_back(target.features[map.sources.feature]);
      at_theta_.push_back(gather(map, theta));
      gradient_.push_back(backend_.matching_gradient(map.with(t_.back()), at_theta_.back()));
      add_to(loss, gradient_.back().value);
    }
    return loss;
  }

  void backward(nets::Activations& bar) override { take(bar); }

  void tangent(const nets::Activations& dot, Tensors theta_dot, bool keep) override {
    if (batch_.k_bar.empty()) {
      for (const auto& map : batch_.maps) batch_.k_bar.push_back(at::zeros_like(map.coefficient));
    }
    for (size_t i = 0; i < batch_.maps.size(); ++i) {
      const auto& map = batch_.maps[i];
      const auto& t_dot = dot.features[map.sources.feature];
      auto tangent = backend_.matching_tangent(map.with(t_[i]), t_dot, at_theta_[i], gather(map, theta_dot), keep);
      batch_.k_bar[i].add_(tangent.value);
      if (keep) gradient_.push_back(std::move(tangent));
    }
  }

  void tangent_backward(nets::Activations& bar_dot) override { take(bar_dot); }

  void add_gradient(Tensors theta_bar) override {
    for (size_t i = 0; i < gradient_.size(); ++i) scatter(batch_.maps[i], gradient_[i].bar, theta_bar);
    gradient_.clear();
  }

 private:
  [[nodiscard]] Pointwise gather(const MatchedMap& map, Tensors theta) const {
    std::vector<at::Tensor> weights;
    std::vector<at::Tensor> biases;
    for (const int pair : map.sources.pairs) {
      const auto branch = branches_[pair].of(theta);
      weights.push_back(branch[0]);
      biases.push_back(branch[1]);
    }
    if (weights.size() == 1) return {weights.front(), biases.front()};
    return {at::cat(weights), at::cat(biases)};
  }

  void scatter(const MatchedMap& map, const Pointwise& gradient, Tensors theta_bar) const {
    int64_t begin = 0;
    for (const int pair : map.sources.pairs) {
      const auto branch = branches_[pair].of(theta_bar);
      const int64_t count = branch[1].size(0);
      branch[0].copy_(gradient.weight.narrow(0, begin, count));
      branch[1].copy_(gradient.bias.narrow(0, begin, count));
      begin += count;
    }
  }

  /// Moves the maps' cotangents (or their tangents) out.
  void take(nets::Activations& bar) {
    for (size_t i = 0; i < gradient_.size(); ++i) {
      add_to(bar.features[batch_.maps[i].sources.feature], std::move(gradient_[i].t_bar));
    }
  }

  const std::vector<Slice>& branches_;
  MatchedBatch& batch_;
  const backends::Backend& backend_;
  // One for each map:
  std::vector<at::Tensor> t_;
  std::vector<Pointwise> at_theta_;
  std::vector<MatchingSweep> gradient_;  // or its tangent
};

class Matching final : public Term {
 public:
  Matching(const std::string& name, Setup& setup)
      : Term(name), pairs_(setup.pairs()), beta_(setup.setting("beta")), backend_(setup.backend()) {
    for (size_t i = 0; i < pairs_.size(); ++i) {
      const int64_t in = setup.target().features[pairs_[i].target_feature].channels;
      const int64_t out = setup.source(pairs_[i]).features[pairs_[i].source_feature].channels;
      const std::vector<nets::ParameterInit> uniform(2, {nets::Initialisation::kUniformFanIn, in});
      branches_.push_back(setup.add_parameters(
          "branch." + std::to_string(i), {{"weight", {out, in, 1, 1}}, {"bias", {out}}}, uniform, Purpose::kBranches));
    }
  }

  [[nodiscard]] Reads reads() const override {
    return {.logits = false, .features = transfer::target_features(pairs_)};
  }
  [[nodiscard]] bool in_virtual_steps() const override { return true; }

  void begin(const Batch& batch) override {
    const double scale = beta_ / static_cast<double>(batch.whole.images);
    for (const auto& shared : batch.maps.shared) {
      std::vector<at::Tensor> coefficients;
      for (const int pair : shared.pairs)
        coefficients.push_back(transfer::coefficient(batch.importance, pair, scale, batch.maps.pooled[pair]));
      batch_.maps.push_back({shared, coefficients.size() == 1 ? coefficients.front() : at::cat(coefficients, 1)});
    }
  }

  void end() override { batch_ = {}; }

  std::unique_ptr<TermPoint> point(const Batch& /*batch*/) override {
    return std::make_unique<MatchingPoint>(branches_, batch_, backend_);
  }

  [[nodiscard]] at::Tensor phi_gradient(const Batch& batch, const transfer::MetaNetworks& networks) const override {
    std::vector<at::Tensor> by_pair(pairs_.size());
    for (size_t i = 0; i < batch_.maps.size(); ++i) {
      int64_t begin = 0;
      for (const int pair : batch_.maps[i].sources.pairs) {
        const int64_t channels = batch.maps.pooled[pair].size(1);
        by_pair[pair] = batch_.k_bar[i].narrow(1, begin, channels);
        begin += channels;
      }
    }
    return transfer::importance_backward(backend_, networks, beta_ / static_cast<double>(batch.whole.images),
                                         batch.maps.pooled, batch.importance, by_pair);
  }

 private:
  std::vector<transfer::Pair> pairs_;
  double beta_;
  const backends::Backend& backend_;
  std::vector<Slice> branches_;  // one for each pair
  MatchedBatch batch_;
};

}  // namespace

std::unique_ptr<Term> make_matching(const std::string& name, Setup& setup) {
  return std::make_unique<Matching>(name, setup);
}

}  // namespace l2t::terms
