#include "native/transfer/matching_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>

#include "native/kernels/matching.h"
#include "native/kernels/supports.h"
#include "native/ops/conv2d.h"

namespace l2t::transfer {
namespace {

constexpr ops::Conv2dWindow kPointwise{1, 0};

double per_place(const at::Tensor& map) { return 1.0 / static_cast<double>(map.size(2) * map.size(3)); }

/// (2/HW) k D, which is D̄; of Ḋ it is D̄̇.
at::Tensor weighted(const MatchedMap& map, const at::Tensor& difference) {
  const auto k = (map.coefficient * (2 * per_place(difference))).unsqueeze(2).unsqueeze(3);
  return difference * k;
}

at::Tensor difference_of(const MatchedMap& map, const Branches& branches, const at::Tensor& t) {
  return ops::conv2d(t, branches.weight, branches.bias, kPointwise).sub_(map.sources.source);
}

MatchingGradient gradient_of(kernels::MatchingSweep sweep) {
  return {std::move(sweep.t_bar), {std::move(sweep.bar.weight), std::move(sweep.bar.bias)}};
}

}  // namespace

std::vector<MatchedMap> make_matched_maps(const Method& method, double beta, const SourceMaps& maps,
                                          const Importance& importance) {
  std::vector<MatchedMap> result;
  for (const auto& shared : maps.shared) {
    std::vector<at::Tensor> coefficients;
    for (const int pair : shared.pairs)
      coefficients.push_back(coefficient(method, importance, pair, beta, maps.pooled[pair]));
    result.push_back({shared, at::cat(coefficients, 1)});
  }
  return result;
}

Branches gather_branches(const MatchedMap& map, const at::Tensor* by_pair) {
  std::vector<at::Tensor> weights;
  std::vector<at::Tensor> biases;
  for (const int64_t pair : map.sources.pairs) {
    weights.push_back(by_pair[2 * pair]);
    biases.push_back(by_pair[2 * pair + 1]);
  }
  return {at::cat(weights), at::cat(biases)};
}

void scatter_branches(const MatchedMap& map, const Branches& gradient, const at::Tensor* by_pair) {
  int64_t begin = 0;
  for (const int64_t pair : map.sources.pairs) {
    const int64_t count = by_pair[2 * pair].size(0);
    by_pair[2 * pair].copy_(gradient.weight.narrow(0, begin, count));
    by_pair[2 * pair + 1].copy_(gradient.bias.narrow(0, begin, count));
    begin += count;
  }
}

std::vector<at::Tensor> by_pair(const std::vector<MatchedMap>& maps, const std::vector<at::Tensor>& tensors,
                                const std::vector<at::Tensor>& pooled) {
  std::vector<at::Tensor> result(pooled.size());
  for (size_t i = 0; i < maps.size(); ++i) {
    int64_t begin = 0;
    for (const int pair : maps[i].sources.pairs) {
      const int64_t channels = pooled[pair].size(1);
      result[pair] = tensors[i].narrow(1, begin, channels);
      begin += channels;
    }
  }
  return result;
}

MatchingValue matching_value(const MatchedMap& map, const Branches& branches, const at::Tensor& t, bool direct) {
  if (!direct && kernels::supports(t)) {
    auto sweep = kernels::matching_gradient({t, map.sources.source, map.coefficient}, {branches.weight, branches.bias});
    return {std::move(sweep.value), gradient_of(std::move(sweep))};
  }
  const auto difference = difference_of(map, branches, t);
  const auto loss = (difference.square().sum({2, 3}) * map.coefficient).sum() * per_place(difference);
  const auto d_bar = weighted(map, difference);
  const auto bar = ops::conv2d_backward(d_bar, t, branches.weight, /*bias=*/true, /*input=*/true, kPointwise);
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
      ops::conv2d_tangent(t, t_dot, branches.weight, branches_dot.weight, branches_dot.bias, kPointwise);
  MatchingTangent result{(difference * difference_dot).sum({2, 3}) * (2 * per_place(difference)), {}};
  if (!product) return result;
  const auto dot =
      ops::conv2d_tangent_backward(weighted(map, difference), weighted(map, difference_dot), t, t_dot, branches.weight,
                                   branches_dot.weight, /*bias=*/true, /*input=*/true, kPointwise);
  result.gradient_dot = {dot.x_bar, {dot.w_bar, dot.b_bar}};
  return result;
}

}  // namespace l2t::transfer
