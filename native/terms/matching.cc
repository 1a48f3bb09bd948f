#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include <algorithm>
#include <utility>

#include "native/terms/terms.h"

/// L_wfm, the weighted matching of feature maps, a sum over pairs. r of pair i is the slice `branch.i`: a 1×1
/// convolution with bias, C_n → C_m, uniform ± 1/√C_n, biases too. Its weights k come from the meta-networks and from
/// β, the setting `beta` (transfer/meta_networks.h).
///
/// L_wfm at one map, L = Σ_{b,c} k_{b,c} mean_{h,w} D², with D = r(T) − S. W and b: the branches r of the pairs that
/// share the map, side by side, one 1×1 convolution. A backend computes it (backends/matching.h): directly, as here, or
/// by Gram matrices (backends/cpu/matching_gram.h).
///
///   forward            D = W T + b − S
///   backward           D̄ = (2/HW) k D          T̄ = Wᵀ D̄               W̄ = T⋆D̄          b̄ = Σ D̄
///   tangent            Ḋ = W Ṫ + Ẇ T + ḃ       ė = (2/HW) Σ_{h,w} D Ḋ     L̇ = Σ k ė
///   tangent_backward   D̄̇ = (2/HW) k Ḋ          T̄̇ = Wᵀ D̄̇ + Ẇᵀ D̄      W̄̇ = T⋆D̄̇ + Ṫ⋆D̄    b̄̇ = Σ D̄̇
///
/// k is known and L's cotangent is 1, so forward and backward are one sweep, and so are the tangents. ė (B × C) is
/// ∂L̇/∂k: ∇φ needs nothing else from a step.
namespace l2t::terms {
namespace {

using backends::MatchingSweep;
using backends::Pointwise;

/// The pairs that share a target map, in the order of their channels.
struct SharedMap {
  int feature;  // n, of the target
  std::vector<int> pairs;
};

/// One for each target map that is in a pair, in order of appearance.
std::vector<SharedMap> group_by_target(const std::vector<transfer::Pair>& pairs) {
  std::vector<SharedMap> groups;
  for (size_t i = 0; i < pairs.size(); ++i) {
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const SharedMap& map) { return map.feature == pairs[i].target_feature; });
    if (group == groups.end()) group = groups.insert(groups.end(), {pairs[i].target_feature, {}});
    group->pairs.push_back(static_cast<int>(i));
  }
  return groups;
}

/// The inputs of L_wfm from a batch at one target map T (B × C_n × H × W).
struct MapOfBatch {
  std::vector<at::Tensor> sources;             // of each pair, at its own size: B × C_m × h × w
  at::Tensor coefficient;                      // B × C, of all pairs: k = β/B · λ · w
  at::Tensor k_bar;                            // Σ ė over the tangent sweeps; undefined before the first
  std::unique_ptr<backends::MatchedMap> form;  // made at the first point, which takes `sources`

  backends::MatchedMap& form_for(const at::Tensor& t, const backends::Backend& backend) {
    if (form == nullptr) form = backend.matched_map(std::exchange(sources, {}), coefficient, t);
    return *form;
  }
};

class MatchingTermPoint final : public TermPoint {
 public:
  MatchingTermPoint(const std::vector<Slice>& branches, const std::vector<SharedMap>& shared,
                    std::vector<MapOfBatch>& maps, const backends::Backend& backend)
      : branches_(branches), shared_(shared), maps_(maps), backend_(backend) {}

  at::Tensor forward(const nets::Activations& target, Tensors theta) override {
    at::Tensor loss;
    for (size_t i = 0; i < maps_.size(); ++i) {
      const auto& t = target.features[shared_[i].feature];
      points_.push_back(maps_[i].form_for(t, backend_).at(t, gather(shared_[i], theta)));
      gradient_.push_back(points_.back()->gradient());
      add_to(loss, gradient_.back().value);
    }
    return loss;
  }

  void backward(nets::Activations& bar) override { take(bar); }

  void tangent(const nets::Activations& dot, Tensors theta_dot, bool keep) override {
    for (size_t i = 0; i < maps_.size(); ++i) {
      const auto& t_dot = dot.features[shared_[i].feature];
      auto tangent = points_[i]->tangent(t_dot, gather(shared_[i], theta_dot), keep);
      add_to(maps_[i].k_bar, tangent.value);
      if (keep) gradient_.push_back(std::move(tangent));
    }
  }

  void tangent_backward(nets::Activations& bar_dot) override { take(bar_dot); }

  void add_gradient(Tensors theta_bar) override {
    for (size_t i = 0; i < gradient_.size(); ++i) scatter(shared_[i], gradient_[i].bar, theta_bar);
    gradient_.clear();
  }

 private:
  [[nodiscard]] Pointwise gather(const SharedMap& map, Tensors theta) const {
    std::vector<at::Tensor> weights;
    std::vector<at::Tensor> biases;
    for (const int pair : map.pairs) {
      const auto branch = branches_[pair].of(theta);
      weights.push_back(branch[0]);
      biases.push_back(branch[1]);
    }
    if (weights.size() == 1) return {weights.front(), biases.front()};
    return {at::cat(weights), at::cat(biases)};
  }

  void scatter(const SharedMap& map, const Pointwise& gradient, Tensors theta_bar) const {
    int64_t begin = 0;
    for (const int pair : map.pairs) {
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
      add_to(bar.features[shared_[i].feature], std::move(gradient_[i].t_bar));
    }
  }

  const std::vector<Slice>& branches_;
  const std::vector<SharedMap>& shared_;
  std::vector<MapOfBatch>& maps_;
  const backends::Backend& backend_;
  // One entry for each map:
  std::vector<std::unique_ptr<backends::MatchingPoint>> points_;
  std::vector<MatchingSweep> gradient_;  // or its tangent
};

class Matching final : public Term {
 public:
  Matching(const std::string& name, Setup& setup)
      : Term(name),
        pairs_(setup.pairs()),
        shared_(group_by_target(pairs_)),
        beta_(setup.setting("beta")),
        backend_(setup.backend()) {
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
    for (const auto& map : shared_) {
      std::vector<at::Tensor> sources;
      std::vector<at::Tensor> coefficients;
      for (const int pair : map.pairs) {
        sources.push_back(transfer::map_of(batch.sources, pairs_[pair]));
        coefficients.push_back(transfer::coefficient(batch.importance, pair, scale, batch.maps.pooled[pair]));
      }
      maps_.push_back(
          {std::move(sources), coefficients.size() == 1 ? coefficients.front() : at::cat(coefficients, 1), {}, {}});
    }
  }

  void end() override { maps_.clear(); }

  std::unique_ptr<TermPoint> point(const Batch& /*batch*/) override {
    return std::make_unique<MatchingTermPoint>(branches_, shared_, maps_, backend_);
  }

  [[nodiscard]] at::Tensor phi_gradient(const Batch& batch, const transfer::MetaNetworks& networks) const override {
    std::vector<at::Tensor> by_pair(pairs_.size());
    for (size_t i = 0; i < maps_.size(); ++i) {
      int64_t begin = 0;
      for (const int pair : shared_[i].pairs) {
        const int64_t channels = batch.maps.pooled[pair].size(1);
        by_pair[pair] = maps_[i].k_bar.narrow(1, begin, channels);
        begin += channels;
      }
    }
    return transfer::importance_backward(backend_, networks, beta_ / static_cast<double>(batch.whole.images),
                                         batch.maps.pooled, batch.importance, by_pair);
  }

 private:
  std::vector<transfer::Pair> pairs_;
  std::vector<SharedMap> shared_;
  double beta_;
  const backends::Backend& backend_;
  std::vector<Slice> branches_;  // one for each pair
  std::vector<MapOfBatch> maps_;
};

}  // namespace

std::unique_ptr<Term> make_matching(const std::string& name, Setup& setup) {
  return std::make_unique<Matching>(name, setup);
}

}  // namespace l2t::terms
