#include "native/transfer/attention.h"

#include <ATen/TensorOperators.h>

namespace l2t::transfer {
namespace {

/// a: B × H × W.
at::Tensor energy(const at::Tensor& map) { return map.square().mean(1); }

at::Tensor norm(const at::Tensor& a) {
  return a.square().sum({1, 2}, /*keepdim=*/true).sqrt().clamp_min(kSmallestNorm);
}

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

}  // namespace l2t::transfer
