// Launches of the other own kernels: from tensors to bodies.
#include "native/backends/cuda/kernels.h"

#include <ATen/ops/empty_like.h>

#include <algorithm>

#include "native/backends/cuda/matching.h"
#include "native/backends/cuda/pointers.h"
#include "native/backends/cuda/rows.h"
#include "native/backends/cuda/vectors.h"

namespace l2t::backends::cuda {
namespace {

/// A result of a convolution is contiguous or channels last; both of a part are in the same order.
bool is_channels_last(const at::Tensor& w_bar) {
  return w_bar.dim() == 4 && !w_bar.is_contiguous() && w_bar.is_contiguous(at::MemoryFormat::ChannelsLast);
}

template <class T>
GradientPart<T> part_of(const Gradient& gradient) {
  const auto& to = gradient.to;
  const bool map = to.dim() == 4;
  return {write<T>(to),
          read<T>(gradient.first),
          read<T>(gradient.second),
          to.numel(),
          map ? to.size(1) : 1,
          map ? to.size(2) * to.size(3) : 1,
          gradient.first.defined() && is_channels_last(gradient.first)};
}

/// `second` in the order of `first`, dense.
Gradient in_one_order(const Gradient& gradient) {
  auto [to, first, second] = gradient;
  if (first.defined() && !is_channels_last(first)) first = first.contiguous();
  if (second.defined())
    second = second.contiguous(is_channels_last(first) ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
  return {to, first, second};
}

}  // namespace

void write_gradients(const std::vector<Gradient>& gradients) {
  constexpr size_t kParts = WriteGradient<float>::kParts;
  for (size_t begin = 0; begin < gradients.size(); begin += kParts) {
    const auto end = std::min(begin + kParts, gradients.size());
    std::vector<at::Tensor> tensors;
    by_type(gradients[begin].to.scalar_type(), [&]<class T>(T /*type*/) {
      WriteGradient<T> body{};
      for (size_t i = begin; i < end; ++i) {
        const auto gradient = in_one_order(gradients[i]);
        tensors.insert(tensors.end(), {gradient.to, gradient.first, gradient.second});
        body.parts[body.count++] = part_of<T>(gradient);
        body.length += gradient.to.numel();
      }
      launch(body, tensors);
    });
  }
}

namespace {

MatchedMaps matched_maps(const at::Tensor& d) { return MatchedMaps::make(d.size(0), d.size(1), d.size(2) * d.size(3)); }

}  // namespace

at::Tensor matching_gradient(const MatchingInputs& maps, const at::Tensor& d) {
  const auto matched = matched_maps(d);
  auto loss = at::empty({}, d.options().memory_format({}));
  by_type(d.scalar_type(), [&]<class T>(T /*type*/) {
    const auto partials = doubles(d, MatchingGradient<T>::scratch(matched));
    const MatchingGradient<T> body{matched,     read<T>(maps.source),    read<T>(maps.coefficient),
                                   write<T>(d), write<double>(partials), write<T>(loss)};
    launch(body, {maps.source, maps.coefficient, d, partials, loss});
  });
  return loss;
}

at::Tensor matching_tangent(const MatchingInputs& maps, const at::Tensor& d, const at::Tensor& d_dot,
                            const at::Tensor& d_dot_2, bool product) {
  const auto matched = matched_maps(d);
  const auto partials = doubles(d, matched.threads());
  auto e_dot = at::empty_like(maps.coefficient);
  by_type(d.scalar_type(), [&]<class T>(T /*type*/) {
    const MatchingTangent<T> body{matched,        product,         read<T>(maps.source), read<T>(maps.coefficient),
                                  write<T>(d),    write<T>(d_dot), read<T>(d_dot_2),     write<double>(partials),
                                  write<T>(e_dot)};
    launch(body, {maps.source, maps.coefficient, d, d_dot, d_dot_2, partials, e_dot});
  });
  return e_dot;
}

void sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
              const at::Tensor& next_theta, const at::Tensor& next_velocity) {
  by_type(theta.scalar_type(), [&]<class T>(T /*type*/) {
    const SgdStep<T> body{theta.numel(),        sgd.momentum,         sgd.weight_decay,
                          read<double>(sgd.lr), read<T>(theta),       read<T>(velocity),
                          read<T>(gradient),    write<T>(next_theta), write<T>(next_velocity)};
    launch(body, {theta, velocity, gradient, next_theta, next_velocity, sgd.lr});
  });
}

at::Tensor sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b) {
  auto d = at::empty_like(a);
  by_type(a.scalar_type(), [&]<class T>(T /*type*/) {
    const SgdAdjoint<T> body{a.numel(),   sgd.momentum, sgd.weight_decay, read<double>(sgd.lr),
                             write<T>(a), write<T>(b),  write<T>(d)};
    launch(body, {a, b, d, sgd.lr});
  });
  return d;
}

void adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient, const AdamState& state) {
  by_type(phi.scalar_type(), [&]<class T>(T /*type*/) {
    const AdamStep<T> body{phi.numel(),       adam.lr,       adam.weight_decay,    write<double>(state.steps),
                           read<T>(gradient), write<T>(phi), write<T>(state.mean), write<T>(state.square)};
    launch(body, {phi, gradient, state.mean, state.square, state.steps});
  });
}

CrossEntropy cross_entropy(const at::Tensor& z, const ops::Labels& labels) {
  const auto images = z.size(0);
  const auto lanes = structs<SumOfExp>(z, images * kLanes);
  const auto rows = doubles(z, 2 * images);
  CrossEntropy result{at::empty({}, z.options()), at::empty_like(z), at::empty_like(z)};
  by_type(z.scalar_type(), [&]<class T>(T /*type*/) {
    const CrossEntropyBody<T> body{images,
                                   z.size(1),
                                   labels.smoothing,
                                   read<T>(z),
                                   read<int64_t>(labels.y),
                                   read<T>(labels.weights),
                                   as<SumOfExp>(lanes),
                                   write<double>(rows),
                                   write<T>(result.log_p),
                                   write<T>(result.z_bar),
                                   write<T>(result.loss)};
    launch(body, {z, labels.y, labels.weights, lanes, rows, result.loss, result.log_p, result.z_bar});
  });
  return result;
}

at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot, const ops::Labels& labels) {
  const auto images = log_p.size(0);
  const auto lanes = doubles(log_p, images * kLanes);
  const auto rows = doubles(log_p, images);
  auto z_bar_dot = at::empty_like(log_p);
  by_type(log_p.scalar_type(), [&]<class T>(T /*type*/) {
    const CrossEntropyTangentBackward<T> body{images,
                                              log_p.size(1),
                                              read<T>(log_p),
                                              read<T>(z_dot),
                                              read<T>(labels.weights),
                                              write<double>(lanes),
                                              write<double>(rows),
                                              write<T>(z_bar_dot)};
    launch(body, {log_p, z_dot, labels.weights, lanes, rows, z_bar_dot});
  });
  return z_bar_dot;
}

ops::Importance importance(const at::Tensor& z, const at::Tensor& s, const ops::ImportanceNetworks& networks) {
  const auto images = s.size(0);
  const auto lanes = structs<SumOfExp>(s, images * kLanes);
  const auto products = doubles(s, images * kLanes);
  const auto rows = doubles(s, images);
  ops::Importance result;
  if (z.defined()) result.w = at::empty_like(z);
  if (networks.g_weight.defined()) result.lambda = at::empty({images}, s.options());
  by_type(s.scalar_type(), [&]<class T>(T /*type*/) {
    const ImportanceForward<T> body{images,
                                    s.size(1),
                                    read<T>(z),
                                    read<T>(s),
                                    read<T>(networks.g_weight),
                                    read<T>(networks.g_bias),
                                    as<SumOfExp>(lanes),
                                    write<double>(products),
                                    write<double>(rows),
                                    write<T>(result.w),
                                    write<T>(result.lambda)};
    launch(body, {s, z, networks.g_weight, networks.g_bias, lanes, products, rows, result.w, result.lambda});
  });
  return result;
}

at::Tensor importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const ops::Importance& importance,
                               double scale, const ops::ImportanceNetworks& bar) {
  const auto images = s.size(0);
  const auto lanes = doubles(s, images * kLanes);
  const auto rows = doubles(s, 2 * images);
  auto z_bar = importance.w.defined() ? at::empty_like(importance.w) : at::Tensor();
  by_type(s.scalar_type(), [&]<class T>(T /*type*/) {
    const ImportanceBackward<T> body{images,
                                     s.size(1),
                                     scale,
                                     read<T>(k_bar),
                                     read<T>(s),
                                     read<T>(importance.w),
                                     read<T>(importance.lambda),
                                     write<double>(lanes),
                                     write<double>(rows),
                                     write<T>(z_bar),
                                     write<T>(bar.f_bias),
                                     write<T>(bar.g_weight),
                                     write<T>(bar.g_bias)};
    launch(body, {s, k_bar, importance.w, importance.lambda, lanes, rows, z_bar, bar.f_bias, bar.g_weight, bar.g_bias});
  });
  return z_bar;
}

}  // namespace l2t::backends::cuda
