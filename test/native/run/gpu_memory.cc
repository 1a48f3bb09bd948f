#include "native/run/gpu_memory.h"

#include "test/native/check.h"

namespace l2t::test {

TEST_CASE("the batch that fits is estimated from a smaller one, on the safe side" * doctest::test_suite("run")) {
  const auto fits = [](int64_t batch, size_t room) {
    return run::fitting_batch(batch, room, [room](int64_t images) {
      const auto bytes = static_cast<size_t>(10 + images);
      return bytes > room ? std::nullopt : std::optional(bytes);
    });
  };
  // 50 images take 60 bytes, so 100 bytes are enough for 83; 47 take 57, for 82. Of 4 not even 2 fit.
  CHECK(fits(200, 100) == 83);
  CHECK(fits(95, 100) == 82);
  CHECK(fits(4, 1) == 0);
}

}  // namespace l2t::test
