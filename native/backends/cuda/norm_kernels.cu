// Launches of batch norm's kernels: from tensors to bodies.
#include <ATen/ops/empty_like.h>

#include <initializer_list>
#include <vector>

#include "native/backends/cuda/batch_norm.h"
#include "native/backends/cuda/kernels.h"
#include "native/backends/cuda/pointers.h"

namespace l2t::backends::cuda {
namespace {

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
    const NormForward<T> sweep{
        maps_of<T>(norm), write<double>(norm.mean), write<double>(norm.invstd), read<T>(shift),
        read<T>(skip),    read<T>(running.bias),    write<T>(running.mean),     write<T>(running.variance),
        write<T>(norm.z), write<T>(norm.pooled),    write<uint8_t>(norm.places)};
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
                                write<T>(results[0]),
                                write<T>(pooled)};
    launch(body, {y, skip, scale, shift, running.mean, running.variance, running.bias, results[0], pooled});
  });
  return results;
}

}  // namespace l2t::backends::cuda
