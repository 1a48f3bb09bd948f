#include "native/data/trivial_augment.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/exp2.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/floor_divide.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/index.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/round.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <c10/util/ScopeExit.h>

#include <cmath>
#include <mutex>

namespace l2t::data {
namespace {

enum : int64_t {
  kIdentity,
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kRotate,
  kBrightness,
  kColor,
  kContrast,
  kSharpness,
  kPosterize,
  kSolarize,
  kAutoContrast,
  kEqualize
};

/// Strengths go evenly from `first` to `last`.
struct Operation {
  const char* name;
  float first;
  float last;
  bool both_signs;
};

/// In the order of the numbers above.
constexpr std::array<Operation, kOperations> kTable{{
    {"Identity", 0, 0, false},
    {"ShearX", 0, 0.99F, true},
    {"ShearY", 0, 0.99F, true},
    {"TranslateX", 0, 32, true},
    {"TranslateY", 0, 32, true},
    {"Rotate", 0, 135, true},
    {"Brightness", 0, 0.99F, true},
    {"Color", 0, 0.99F, true},
    {"Contrast", 0, 0.99F, true},
    {"Sharpness", 0, 0.99F, true},
    {"Posterize", 8, 2, false},
    {"Solarize", 255, 0, false},
    {"AutoContrast", 0, 0, false},
    {"Equalize", 0, 0, false},
}};

constexpr double kRadians = M_PI / 180;

/// From an output pixel's place to its source's, both in pixels from the image's centre: rows of (x, y, 1).
using Map = std::array<double, 6>;

/// Inverses of a shear from the image's first corner, of a shift by whole pixels, and of a rotation around the centre.
Map source_map(const Distortion& distortion, int64_t size) {
  const auto strength = distortion.strength;
  const auto half = static_cast<double>(size) / 2;
  switch (distortion.operation) {
    case kShearX:
      return {1, strength, strength * half, 0, 1, 0};
    case kShearY:
      return {1, 0, 0, strength, 1, strength * half};
    case kTranslateX:
      return {1, 0, -std::trunc(strength), 0, 1, 0};
    case kTranslateY:
      return {1, 0, 0, 0, 1, -std::trunc(strength)};
    case kRotate: {
      const auto cos = std::cos(strength * kRadians);
      const auto sin = std::sin(strength * kRadians);
      return {cos, -sin, 0, sin, cos, 0};
    }
    default:
      return {};
  }
}

/// What is drawn for B images, on their device.
struct Drawn {
  at::Tensor operation;  // int64, B × 1 × 1 × 1
  at::Tensor strength;   // float64, B × 1 × 1 × 1
  at::Tensor map;        // float32, 6 × B × 1 × 1
};

Drawn drawn(const at::Tensor& numbers) {
  return {numbers[0].to(at::kLong).view({-1, 1, 1, 1}), numbers[1].view({-1, 1, 1, 1}),
          numbers.slice(0, 2).to(at::kFloat).view({6, -1, 1, 1})};
}

/// Shear, translation, rotation: each pixel is its nearest source, or black where that lies outside. As grid_sample,
/// with its coordinates from −1 to 1.
at::Tensor moved(const at::Tensor& pixels, const Drawn& of) {
  const auto size = pixels.size(1);
  const auto options = of.map.options();
  const auto place = at::arange(size, options) + (0.5 - static_cast<double>(size) / 2);
  const auto x = place.view({1, 1, -1});
  const auto y = place.view({1, -1, 1});
  const auto source = [&](int64_t row) {
    const auto map = of.map.slice(0, row, row + 3);
    return at::round(((x * map[0] + y * map[1] + map[2] + 1) * size - 1) / 2).to(at::kLong);
  };
  const auto column = source(0);
  const auto row = source(3);
  const auto inside = (column >= 0) & (column < size) & (row >= 0) & (row < size);
  const auto image = at::arange(pixels.size(0), row.options()).view({-1, 1, 1});
  const auto taken = at::index(pixels, {image, at::clamp(row, 0, size - 1), at::clamp(column, 0, size - 1)});
  return taken * inside.unsqueeze(3);
}

/// float32, B × S × S × 1: whole numbers from 0 to 255.
at::Tensor grey(const at::Tensor& images) {
  return at::floor(0.2989 * images.slice(3, 0, 1) + 0.587 * images.slice(3, 1, 2) + 0.114 * images.slice(3, 2, 3));
}

/// A mean over 3 × 3 pixels in which the middle one counts five times, rounded. The image's edge stays as it is.
at::Tensor blurred(const at::Tensor& images) {
  const auto inner = images.size(1) - 2;
  const auto rows = images.slice(1, 0, inner) + images.slice(1, 1, 1 + inner) + images.slice(1, 2);
  const auto sums = rows.slice(2, 0, inner) + rows.slice(2, 1, 1 + inner) + rows.slice(2, 2);
  auto result = images.clone();
  auto middle = result.slice(1, 1, 1 + inner).slice(2, 1, 1 + inner);
  // No sum of whole numbers over 13 lies halfway between two.
  middle.copy_(at::floor((sums + 4 * middle + 6.5) / 13));
  return result;
}

/// Brightness, colour, contrast, sharpness: away from, or towards, black, grey, the mean grey, the blurred image.
at::Tensor blended(const at::Tensor& pixels, const Drawn& of) {
  const auto images = pixels.to(at::kFloat);
  const auto is = [&](int64_t operation) { return of.operation == operation; };
  const auto greys = grey(images);
  const auto mean = at::sum(greys, {1, 2, 3}, /*keepdim=*/true, at::kDouble).to(at::kFloat) / greys[0].numel();
  const auto plain = at::where(is(kColor), greys, at::where(is(kContrast), mean, at::zeros({}, images.options())));
  const auto other = at::where(is(kSharpness), blurred(images), plain);
  const auto share = 1 + of.strength;
  const auto blend = share.to(at::kFloat) * images + (1 - share).to(at::kFloat) * other;
  return at::clamp(blend, 0, 255).to(at::kByte);
}

/// The table of histogram equalisation, from how often each value occurs (int64, B × 1 × 3 × 256).
at::Tensor equalised(const at::Tensor& counts, const at::Tensor& highest, const at::Tensor& values) {
  const auto up_to = at::cumsum(counts, 3);
  const auto below_highest = up_to.slice(3, 255) - at::gather(counts, 3, highest);
  const auto step = at::floor_divide(below_highest, 255);
  const auto divisor = at::clamp(step, 1);
  const auto table = at::floor_divide(up_to - counts + at::floor_divide(divisor, 2), divisor);
  return at::where(step == 0, values, at::clamp(table, 0, 255));
}

/// How often each value occurs, added to `counts`. With deterministic algorithms a GPU would sort the values, on which
/// the host waits, so that no graph could capture it. Sums of whole numbers are the same in any order.
at::Tensor counted(const at::Tensor& values, at::Tensor counts) {
  const auto add = [&] {
    counts.scatter_add_(3, values, at::ones({1}, counts.options()).expand(values.sizes()));
    return counts;
  };
  if (values.is_cpu()) return add();
  // The switch is the whole process's: of two runs at once, neither must put it back to what the other has set here.
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  auto& context = at::globalContext();
  const bool deterministic = context.deterministicAlgorithms();
  const bool warn_only = context.deterministicAlgorithmsWarnOnly();
  const auto again = c10::make_scope_exit([&] { context.setDeterministicAlgorithms(deterministic, warn_only); });
  context.setDeterministicAlgorithms(false, false);
  return add();
}

/// Posterise, solarise, auto-contrast, equalise: a new value for each of the 256.
at::Tensor mapped(const at::Tensor& pixels, const Drawn& of) {
  const auto images = pixels.size(0);
  const auto flat = pixels.view({images, -1, 3}).transpose(1, 2).unsqueeze(1).to(at::kLong);  // B × 1 × 3 × S²
  const auto options = flat.options();
  const auto counts = counted(flat, at::zeros({images, 1, 3, 256}, options));
  const auto lowest = at::amin(flat, 3, /*keepdim=*/true);
  const auto highest = at::amax(flat, 3, /*keepdim=*/true);
  const auto values = at::arange(256, options).view({1, 1, 1, 256});
  const auto is = [&](int64_t operation) { return of.operation == operation; };

  // Posterise keeps so many bits; other operations' strengths may be any number.
  const auto dropped = at::exp2(at::clamp(8 - of.strength, 0, 8)).to(at::kLong);
  const auto posterised = at::floor_divide(values, dropped) * dropped;
  const auto solarised = at::where(values >= of.strength, 255 - values, values);
  const auto flat_channel = highest == lowest;
  // By the reciprocal, as Python divides a number by a tensor.
  const auto scale = at::where(flat_channel, 255, highest - lowest).to(at::kFloat).reciprocal() * 255;
  const auto start = at::where(flat_channel, 0, lowest);
  const auto stretched = at::clamp((values - start).to(at::kFloat) * scale, 0, 255).to(at::kLong);

  const auto last = at::where(is(kAutoContrast), stretched, equalised(counts, highest, values));
  const auto table = at::where(is(kPosterize), posterised, at::where(is(kSolarize), solarised, last));
  return at::gather(table, 3, flat).to(at::kByte).squeeze(1).transpose(1, 2).reshape(pixels.sizes());
}

using Distort = at::Tensor (*)(const at::Tensor& pixels, const Drawn& of);

/// Distorts the images whose operation is one from `first` to `last`. A CPU does not compute the others.
at::Tensor distorted(const at::Tensor& pixels, const Drawn& of, int64_t first, int64_t last, Distort distort) {
  const auto chosen = (of.operation >= first) & (of.operation <= last);
  if (!pixels.is_cpu()) return at::where(chosen, distort(pixels, of), pixels);
  const auto rows = at::nonzero(chosen.view(-1)).view(-1);
  if (rows.numel() == 0) return pixels;
  const auto some = [&](const at::Tensor& all, int64_t dim) { return all.index_select(dim, rows); };
  auto result = pixels.clone();
  return result.index_copy_(0, rows,
                            distort(some(pixels, 0), {some(of.operation, 0), some(of.strength, 0), some(of.map, 1)}));
}

}  // namespace

std::string operation_name(int64_t operation) { return kTable.at(operation).name; }

double strength_of(int64_t operation, int64_t bin, bool negative) {
  const auto& [name, first, last, both_signs] = kTable.at(operation);
  // In float32, as torchvision's.
  const auto strength = at::linspace(first, last, kStrengths, at::kFloat)[bin].item<float>();
  if (operation == kPosterize) return std::round(strength);
  return both_signs && negative ? -strength : strength;
}

std::array<double, kNumbersPerDistortion> distortion_numbers(const Distortion& distortion, int64_t size) {
  std::array<double, kNumbersPerDistortion> numbers{static_cast<double>(distortion.operation), distortion.strength};
  const auto map = source_map(distortion, size);
  const auto half = static_cast<float>(size) / 2;
  for (size_t i = 0; i < map.size(); ++i) numbers[2 + i] = static_cast<float>(map[i]) / half;
  return numbers;
}

at::Tensor trivial_augment(const at::Tensor& pixels, const at::Tensor& numbers) {
  const auto of = drawn(numbers);
  auto result = distorted(pixels, of, kShearX, kRotate, moved);
  result = distorted(result, of, kBrightness, kSharpness, blended);
  return distorted(result, of, kPosterize, kEqualize, mapped);
}

}  // namespace l2t::data
