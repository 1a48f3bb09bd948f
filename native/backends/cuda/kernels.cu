// Launches of the own kernels: from tensors to bodies.
#include "native/backends/cuda/kernels.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>

#include "native/backends/cuda/batch_norm.h"
#include "native/backends/cuda/matching.h"
#include "native/backends/cuda/rows.h"
#include "native/backends/cuda/vectors.h"
#include "native/nets/network.h"

namespace l2t::backends::cuda {
namespace {

/// Calls f with a value of the tensors' type.
template <class F>
void by_type(at::ScalarType type, const F& f) {
  if (type == at::kDouble) {
    f(double());
  } else {
    f(float());
  }
}

/// Null for an undefined tensor.
template <class T>
const T* read(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<T>() : nullptr;
}
template <class T>
T* write(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<T>() : nullptr;
}

at::Tensor doubles(const at::Tensor& like, int64_t count) {
  return at::empty({count}, like.options().dtype(at::kDouble).memory_format({}));
}

/// A body's own structs in device memory, as doubles.
template <class Body>
at::Tensor structs(const at::Tensor& like, int64_t count) {
  static_assert(sizeof(Body) % sizeof(float) == 0);
  return doubles(like, (count * static_cast<int64_t>(sizeof(Body)) + 7) / 8);
}
template <class Body>
Body* as(const at::Tensor& memory) {
  return reinterpret_cast<Body*>(memory.data_ptr<double>());
}

Cells cells_of(const at::Tensor& map, bool windows) {
  const auto rows = map.size(0) * map.size(2) * map.size(3);
  return {windows ? rows / 4 : rows, map.size(3), windows};
}

template <class T>
NormMaps<T> maps_of(const Norm& norm) {
  return {cells_of(norm.y, norm.pool),
          norm.y.size(1),
          norm.relu,
          read<T>(norm.y),
          read<T>(norm.z),
          read<uint8_t>(norm.places),
          read<T>(norm.scale),
          read<double>(norm.mean),
          read<double>(norm.invstd)};
}

template <class Sweep>
void launch_sums(const Sweep& sweep, const Norm& norm, std::initializer_list<at::Tensor> tensors) {
  const auto plan = SumPlan::make(norm.y.size(1), cells_of(norm.y, norm.pool).count);
  const auto partials = doubles(norm.y, plan.scratch(Sweep::kSums));
  std::vector<at::Tensor> all{norm.y, norm.z, norm.places, norm.scale, norm.mean, norm.invstd, partials};
  all.insert(all.end(), tensors.begin(), tensors.end());
  launch(SumsThenMap<Sweep>{sweep, plan, partials.template data_ptr<double>()}, all);
}

at::Tensor pooled_like(const at::Tensor& map, at::ScalarType type) {
  return at::empty({map.size(0), map.size(1), map.size(2) / 2, map.size(3) / 2}, map.options().dtype(type),
                   at::MemoryFormat::ChannelsLast);
}

}  // namespace

void norm_forward(Norm& norm, const at::Tensor& shift, const at::Tensor& skip, const RunningStatistics& running) {
  const auto channels = norm.y.size(1);
  norm.mean = doubles(norm.y, channels);
  norm.invstd = doubles(norm.y, channels);
  norm.z = at::empty_like(norm.y);
  if (norm.pool) {
    norm.pooled = pooled_like(norm.y, norm.y.scalar_type());
    norm.places = pooled_like(norm.y, at::kByte);
  }
  by_type(norm.y.scalar_type(), [&]<class T>(T /*type*/) {
    const NormForward<T> sweep{maps_of<T>(norm),
                               write<double>(norm.mean),
                               write<double>(norm.invstd),
                               read<T>(shift),
                               read<T>(skip),
                               read<T>(running.bias),
                               write<T>(running.mean),
                               write<T>(running.variance),
                               nets::kRunningMomentum,
                               nets::kBatchNormEpsilon,
                               write<T>(norm.z),
                               write<T>(norm.pooled),
                               write<uint8_t>(norm.places)};
    launch_sums(sweep, norm, {shift, skip, running.bias, running.mean, running.variance, norm.pooled});
  });
}

NormBars norm_backward(const Norm& norm, const OutputBars& bars, bool keep, const at::Tensor& scale_bar,
                       const at::Tensor& shift_bar) {
  const auto channels = norm.y.size(1);
  NormBars result{at::empty_like(norm.y), {}, {doubles(norm.y, channels), doubles(norm.y, channels)}};
  result.y_bar = keep ? at::empty_like(norm.y) : result.g;
  by_type(norm.y.scalar_type(), [&]<class T>(T /*type*/) {
    const NormBackward<T> sweep{maps_of<T>(norm),
                                read<T>(bars.z),
                                read<T>(bars.pooled),
                                write<T>(result.g),
                                write<T>(result.y_bar),
                                write<T>(scale_bar),
                                write<T>(shift_bar),
                                write<double>(result.sums.first),
                                write<double>(result.sums.second)};
    launch_sums(
        sweep, norm,
        {bars.z, bars.pooled, result.g, result.y_bar, scale_bar, shift_bar, result.sums.first, result.sums.second});
  });
  return result;
}

NormDots norm_tangent(const Norm& norm, const at::Tensor& y_dot, const at::Tensor& y_dot_2, const at::Tensor& scale_dot,
                      const at::Tensor& shift_dot, const at::Tensor& skip_dot) {
  const auto channels = norm.y.size(1);
  NormDots result{at::empty_like(norm.y), {}, {doubles(norm.y, channels), doubles(norm.y, channels)}};
  if (norm.pool) result.pooled = at::empty_like(norm.pooled);
  by_type(norm.y.scalar_type(), [&]<class T>(T /*type*/) {
    const NormTangent<T> sweep{maps_of<T>(norm),
                               write<T>(y_dot),
                               read<T>(y_dot_2),
                               read<T>(scale_dot),
                               read<T>(shift_dot),
                               read<T>(skip_dot),
                               write<double>(result.sums.first),
                               write<double>(result.sums.second),
                               write<T>(result.z),
                               write<T>(result.pooled)};
    launch_sums(sweep, norm,
                {y_dot, y_dot_2, scale_dot, shift_dot, skip_dot, result.sums.first, result.sums.second, result.z,
                 result.pooled});
  });
  return result;
}

NormBarDots norm_tangent_backward(const Norm& norm, const OutputBars& bar_dots, const at::Tensor& g,
                                  const NormSums& g_sums, const at::Tensor& y_dot, const NormSums& y_dot_sums,
                                  const at::Tensor& scale_dot, const at::Tensor& scale_bar_dot,
                                  const at::Tensor& shift_bar_dot) {
  NormBarDots result{at::empty_like(norm.y), at::empty_like(norm.y), at::empty_like(norm.y)};
  by_type(norm.y.scalar_type(), [&]<class T>(T /*type*/) {
    using Coefficients = typename NormTangentBackward<T>::Coefficients;
    const auto coefficients = structs<Coefficients>(norm.y, norm.y.size(1));
    const NormTangentBackward<T> sweep{maps_of<T>(norm),
                                       read<T>(bar_dots.z),
                                       read<T>(bar_dots.pooled),
                                       read<T>(g),
                                       read<T>(y_dot),
                                       read<T>(scale_dot),
                                       read<double>(g_sums.first),
                                       read<double>(g_sums.second),
                                       read<double>(y_dot_sums.first),
                                       read<double>(y_dot_sums.second),
                                       write<T>(result.g_dot),
                                       write<T>(result.y_bar_dot),
                                       write<T>(result.y_bar),
                                       write<T>(scale_bar_dot),
                                       write<T>(shift_bar_dot),
                                       as<Coefficients>(coefficients)};
    launch_sums(
        sweep, norm,
        {bar_dots.z, bar_dots.pooled, g, g_sums.first, g_sums.second, y_dot, y_dot_sums.first, y_dot_sums.second,
         scale_dot, scale_bar_dot, shift_bar_dot, result.g_dot, result.y_bar_dot, result.y_bar, coefficients});
  });
  return result;
}

std::vector<at::Tensor> norm_inference(const at::Tensor& y, bool relu, bool pool, const at::Tensor& scale,
                                       const at::Tensor& shift, const at::Tensor& skip,
                                       const RunningStatistics& running) {
  std::vector<at::Tensor> results{at::empty_like(y)};
  if (pool) results.push_back(pooled_like(y, y.scalar_type()));
  const auto pooled = pool ? results[1] : at::Tensor();
  by_type(y.scalar_type(), [&]<class T>(T /*type*/) {
    const NormInference<T> body{cells_of(y, pool),
                                y.size(1),
                                relu,
                                read<T>(y),
                                read<T>(skip),
                                read<T>(scale),
                                read<T>(shift),
                                read<T>(running.mean),
                                read<T>(running.variance),
                                read<T>(running.bias),
                                nets::kBatchNormEpsilon,
                                write<T>(results[0]),
                                write<T>(pooled)};
    launch(body, {y, skip, scale, shift, running.mean, running.variance, running.bias, results[0], pooled});
  });
  return results;
}

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
    const AdamStep<T> body{phi.numel(),
                           adam.lr,
                           adam.weight_decay,
                           Adam::kBeta1,
                           Adam::kBeta2,
                           Adam::kEpsilon,
                           write<double>(state.steps),
                           read<T>(gradient),
                           write<T>(phi),
                           write<T>(state.mean),
                           write<T>(state.square)};
    launch(body, {phi, gradient, state.mean, state.square, state.steps});
  });
}

CrossEntropy cross_entropy(const at::Tensor& z, const at::Tensor& y) {
  const auto images = z.size(0);
  const auto lanes = structs<SumOfExp>(z, images * kLanes);
  const auto rows = doubles(z, 2 * images);
  CrossEntropy result{at::empty({}, z.options()), at::empty_like(z), at::empty_like(z)};
  by_type(z.scalar_type(), [&]<class T>(T /*type*/) {
    const CrossEntropyBody<T> body{images,
                                   z.size(1),
                                   read<T>(z),
                                   read<int64_t>(y),
                                   as<SumOfExp>(lanes),
                                   write<double>(rows),
                                   write<T>(result.log_p),
                                   write<T>(result.z_bar),
                                   write<T>(result.loss)};
    launch(body, {z, y, lanes, rows, result.loss, result.log_p, result.z_bar});
  });
  return result;
}

at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot) {
  const auto images = log_p.size(0);
  const auto lanes = doubles(log_p, images * kLanes);
  const auto rows = doubles(log_p, images);
  auto z_bar_dot = at::empty_like(log_p);
  by_type(log_p.scalar_type(), [&]<class T>(T /*type*/) {
    const CrossEntropyTangentBackward<T> body{images,
                                              log_p.size(1),
                                              read<T>(log_p),
                                              read<T>(z_dot),
                                              write<double>(lanes),
                                              write<double>(rows),
                                              write<T>(z_bar_dot)};
    launch(body, {log_p, z_dot, lanes, rows, z_bar_dot});
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
