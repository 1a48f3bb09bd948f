#include "native/backends/cpu/form.h"

namespace l2t::backends::cpu {

std::optional<Geometry> geometry_of(const nets::Conv2d& conv, const std::vector<int64_t>& weight, int64_t images,
                                    int64_t side) {
  // A form was faster for every shape that was measured (bench/README.md).
  constexpr int64_t kFewChannels = 8;
  const int64_t channels = weight[1];
  const int64_t kernel = weight[2];
  const int64_t padding = conv.padding;
  const int64_t out_side = (side + 2 * padding - kernel) / conv.stride + 1;
  if (conv.groups != 1 || out_side < 2) return {};
  const bool winograd = kernel == 3 && conv.stride == 1 && conv.padding == 1 && channels >= kFewChannels;
  const auto form = !winograd ? Form::kPatches : side == 2 ? Form::kTwoByTwo : Form::kFourByFour;
  const Geometry geometry{form, images, out_side, channels, kernel, conv.stride, padding, side};
  if (!winograd && !few_weights(geometry, weight[0])) return {};
  return geometry;
}

bool few_weights(const Geometry& geometry, int64_t out) {
  constexpr int64_t kFewWeights = int64_t{3} << 17;
  return geometry.frequencies() * geometry.columns() * out <= kFewWeights;
}

}  // namespace l2t::backends::cpu
