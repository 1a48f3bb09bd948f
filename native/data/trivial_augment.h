#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>

/// TrivialAugmentWide (Müller & Hutter 2021): to each image one operation at one strength, both drawn at random. The
/// operations, their ranges and their results are those of torchvision's TrivialAugmentWide on tensors of bytes.
namespace l2t::data {

/// What is drawn for an image.
struct Distortion {
  int64_t operation;  // 0 … kOperations − 1
  double strength;    // 0 for operations without one
};

constexpr int64_t kOperations = 14;
/// How many strengths an operation has, evenly spaced over its range.
constexpr int64_t kStrengths = 31;

/// torchvision's name of an operation.
std::string operation_name(int64_t operation);

/// Strength `bin` (0 … kStrengths − 1) of an operation, with the other sign where `negative` and the operation has one.
double strength_of(int64_t operation, int64_t bin, bool negative);

/// What the device needs of a distortion: operation, strength, and the 2 × 3 map from a pixel's place to where it comes
/// from (grid_sample's coordinates), which is zero where the operation moves no pixels.
constexpr int64_t kNumbersPerDistortion = 8;
std::array<double, kNumbersPerDistortion> distortion_numbers(const Distortion& distortion, int64_t size);

/// Distorts image b of `pixels` (uint8, B × S × S × 3) as column b of `numbers` says (float64, kNumbersPerDistortion ×
/// B). On a GPU nothing is read on the host, and the operations do not depend on what was drawn.
at::Tensor trivial_augment(const at::Tensor& pixels, const at::Tensor& numbers);

}  // namespace l2t::data
