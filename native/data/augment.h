#pragma once
#include "native/core/names.h"

namespace l2t::data {

/// How training images are changed: not at all, or cropped and mirrored.
enum class Augment { kNone, kCropFlip };

}  // namespace l2t::data

namespace l2t {

template <>
struct Names<data::Augment> {
  static constexpr std::array kAll{std::pair{"none", data::Augment::kNone},
                                   std::pair{"crop-flip", data::Augment::kCropFlip}};
};

}  // namespace l2t
