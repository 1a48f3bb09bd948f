// Distorts an image as TrivialAugmentWide does. `augment FILE OPERATION BIN SIGN …`: FILE begins with an image of 32 ×
// 32 × 3 bytes, and each three words are an operation's name, its strength's place in the range, and + or −. Prints the
// results, as bytes.
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "native/data/trivial_augment.h"

namespace {

using namespace l2t;

constexpr int64_t kSize = 32;

int64_t operation_named(const std::string& name) {
  int64_t operation = 0;
  while (data::operation_name(operation) != name) ++operation;
  return operation;
}

/// Column b is that of distortion b.
at::Tensor numbers_of(const std::vector<data::Distortion>& distortions, int64_t size) {
  std::vector<at::Tensor> columns;
  for (const auto& distortion : distortions) {
    auto numbers = data::distortion_numbers(distortion, size);
    columns.push_back(at::from_blob(numbers.data(), {data::kNumbersPerDistortion}, at::kDouble).clone());
  }
  return at::stack(columns, 1);
}

void distort(const std::string& file, const std::vector<data::Distortion>& distortions) {
  std::vector<char> bytes(kSize * kSize * 3);
  std::ifstream(file, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const auto image = at::from_blob(bytes.data(), {1, kSize, kSize, 3}, at::kByte);
  const auto images = image.repeat({static_cast<int64_t>(distortions.size()), 1, 1, 1});
  const auto result = data::trivial_augment(images, numbers_of(distortions, kSize)).contiguous();
  std::fwrite(result.const_data_ptr(), 1, result.nbytes(), stdout);
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> given(words + 1, words + count);
  std::vector<data::Distortion> distortions;
  for (size_t k = 1; k + 2 < given.size(); k += 3) {
    const auto operation = operation_named(given[k]);
    distortions.push_back({operation, data::strength_of(operation, std::stoll(given[k + 1]), given[k + 2] == "-")});
  }
  distort(given.at(0), distortions);
  return 0;
}
