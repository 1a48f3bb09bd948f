#include "native/terms/matching.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

#include "native/kernels/matching.h"
#include "native/kernels/supports.h"
#include "native/ops/conv2d.h"

namespace l2t::terms {
namespace {

double per_place(const at::Tensor& map) { return 1.0 / static_cast<double>(map.size(2) * map.size(3)); }

/// (2/HW) k D, which is D̄; of Ḋ it is D̄̇.
at::Tensor weighted(const MatchedMap& map, const at::Tensor& difference) {
  const auto k = (map.coefficient * (2 * per_place(difference))).unsqueeze(2).unsqueeze(3);
  return difference * k;
}

at::Tensor difference_of(const MatchedMap& map, const Branches& branches, const at::Tensor& t) {
  return ops::conv2d(t, branches.weight, branches.bias, ops::kPointwise).sub_(map.sources.source);
}

MatchingGradient gradient_of(kernels::MatchingSweep sweep) {
  return {std::move(sweep.t_bar), {std::move(sweep.bar.weight), std::move(sweep.bar.bias)}};
}

}  // namespace

MatchingValue matching_value(const MatchedMap& map, const Branches& branches, const at::Tensor& t, bool direct) {
  if (!direct && kernels::supports(t)) {
    auto sweep = kernels::matching_gradient({t, map.sources.source, map.coefficient}, {branches.weight, branches.bias});
    return {std::move(sweep.value), gradient_of(std::move(sweep))};
  }
  const auto difference = difference_of(map, branches, t);
  const auto loss = (difference.square().sum({2, 3}) * map.coefficient).sum() * per_place(difference);
  const auto d_bar = weighted(map, difference);
  const auto bar = ops::conv2d_backward(d_bar, t, branches.weight, /*bias=*/true, /*input=*/true, ops::kPointwise);
  return {loss, {bar.x_bar, {bar.w_bar, bar.b_bar}}};
}

MatchingTangent matching_tangent(const MatchedMap& map, const Branches& branches, const Branches& branches_dot,
                                 const at::Tensor& t, const at::Tensor& t_dot, bool product, bool direct) {
  if (!direct && kernels::supports(t)) {
    auto sweep =
        kernels::matching_tangent({t, map.sources.source, map.coefficient}, t_dot, {branches.weight, branches.bias},
                                  {branches_dot.weight, branches_dot.bias}, product);
    return {std::move(sweep.value), gradient_of(std::move(sweep))};
  }
  // Computes D again: a small convolution, which saves keeping the map D between the sweeps.
  const auto difference = difference_of(map, branches, t);
  const auto difference_dot =
      ops::conv2d_tangent(t, t_dot, branches.weight, branches_dot.weight, branches_dot.bias, ops::kPointwise);
  MatchingTangent result{(difference * difference_dot).sum({2, 3}) * (2 * per_place(difference)), {}};
  if (!product) return result;
  const auto dot =
      ops::conv2d_tangent_backward(weighted(map, difference), weighted(map, difference_dot), t, t_dot, branches.weight,
                                   branches_dot.weight, /*bias=*/true, /*input=*/true, ops::kPointwise);
  result.gradient_dot = {dot.x_bar, {dot.w_bar, dot.b_bar}};
  return result;
}

namespace {

/// What all points on a batch share.
struct MatchedBatch {
  std::vector<MatchedMap> maps;
  std::vector<at::Tensor> k_bar;  // one for each map: Σ ė over the tangent sweeps
};

class MatchingPoint final : public TermPoint {
 public:
  MatchingPoint(const std::vector<Slice>& branches, MatchedBatch& batch, bool direct)
      : branches_(branches), batch_(batch), direct_(direct) {}

  at::Tensor forward(const nets::Activations& target, Tensors theta) override {
    at::Tensor loss;
    for (const auto& map : batch_.maps) {
      t_.push_back(target.features[map.sources.feature]);
      at_theta_.push_back(gather(map, theta));
      auto value = matching_value(map, at_theta_.back(), t_.back(), direct_);
      add_to(loss, value.loss);
      gradient_.push_back(std::move(value.gradient));
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
      auto tangent = matching_tangent(map, at_theta_[i], gather(map, theta_dot), t_[i],
                                      dot.features[map.sources.feature], keep, direct_);
      batch_.k_bar[i].add_(tangent.e_dot);
      if (keep) gradient_.push_back(std::move(tangent.gradient_dot));
    }
  }

  void tangent_backward(nets::Activations& bar_dot) override { take(bar_dot); }

  void add_gradient(Tensors theta_bar) override {
    for (size_t i = 0; i < gradient_.size(); ++i) scatter(batch_.maps[i], gradient_[i].branches, theta_bar);
    gradient_.clear();
  }

 private:
  [[nodiscard]] Branches gather(const MatchedMap& map, Tensors theta) const {
    std::vector<at::Tensor> weights;
    std::vector<at::Tensor> biases;
    for (const int pair : map.sources.pairs) {
      const auto branch = branches_[pair].of(theta);
      weights.push_back(branch[0]);
      biases.push_back(branch[1]);
    }
    return {at::cat(weights), at::cat(biases)};
  }

  void scatter(const MatchedMap& map, const Branches& gradient, Tensors theta_bar) const {
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
  bool direct_;
  // One for each map:
  std::vector<at::Tensor> t_;
  std::vector<Branches> at_theta_;
  std::vector<MatchingGradient> gradient_;  // or its tangent
};

class Matching final : public Term {
 public:
  Matching(const std::string& name, Setup& setup)
      : Term(name), pairs_(setup.pairs()), beta_(setup.setting("beta")), direct_(setup.direct()) {
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
    for (const auto& shared : batch.maps.shared) {
      std::vector<at::Tensor> coefficients;
      for (const int pair : shared.pairs)
        coefficients.push_back(transfer::coefficient(batch.importance, pair, beta_, batch.maps.pooled[pair]));
      batch_.maps.push_back({shared, at::cat(coefficients, 1)});
    }
  }

  void end() override { batch_ = {}; }

  std::unique_ptr<TermPoint> point(const Batch& /*batch*/) override {
    return std::make_unique<MatchingPoint>(branches_, batch_, direct_);
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
    return transfer::importance_backward(networks, beta_, batch.maps.pooled, batch.importance, by_pair);
  }

 private:
  std::vector<transfer::Pair> pairs_;
  double beta_;
  bool direct_;
  std::vector<Slice> branches_;  // one for each pair
  MatchedBatch batch_;
};

}  // namespace

std::unique_ptr<Term> make_matching(const std::string& name, Setup& setup) {
  return std::make_unique<Matching>(name, setup);
}

}  // namespace l2t::terms
