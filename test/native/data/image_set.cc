#include "native/data/image_set.h"

#include <ATen/ATen.h>

#include <utility>

#include "test/native/check.h"

namespace l2t::test {

TEST_CASE("bytes resized as floats, as on a GPU, are the CPU's or rarely one off" * doctest::test_suite("data")) {
  at::manual_seed(1);
  for (const auto& [from, to] : {std::pair{32, 20}, {32, 224}, {224, 32}, {96, 64}}) {
    CAPTURE(from);
    const auto images = at::randint(256, {4, 3, from, from}, at::kByte);
    const auto bytes = at::_upsample_bilinear2d_aa(images, {to, to}, /*align_corners=*/false).to(at::kFloat);
    const auto distance = (data::resize_as_floats(images, to) - bytes).abs();
    CHECK(distance.max().item<double>() <= 1);
    CHECK((distance > 0).to(at::kDouble).mean().item<double>() < 0.02);
  }
}

}  // namespace l2t::test
