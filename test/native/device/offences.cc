#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "test/native/check.h"
#include "test/native/device/counts.h"
#include "test/native/device/fake_device.h"
#include "test/native/device/learners.h"
#include "test/native/device/opened.h"

/// Each case does on purpose what the product must not.
namespace l2t::test {
namespace {

TEST_SUITE_BEGIN("offences");

/// The logits of an iteration, in which nothing has been counted yet that needs the host.
at::Tensor logits_on_device() {
  const Training training{.target = "vgg9_bn", .size = 32, .method = "scratch", .type = at::kFloat};
  const auto learner = make_learner(training, run::EngineKind::kNative, backends::Convolution::kAuto, fake_device());
  const auto batch = batch_of(training, 0, fake_device());
  reset_counts();
  return iterate(*learner, batch).real.activations.logits;
}

void check_offences(int64_t uploads, int64_t downloads, int64_t waits, int64_t strays) {
  const auto counted = counts();
  CHECK(counted.uploads == uploads);
  CHECK(counted.downloads == downloads);
  CHECK(counted.waits == waits);
  CHECK(counted.strays == strays);
}

TEST_CASE("a value that the host reads is counted") {
  (void)logits_on_device().flatten()[0].item();
  check_offences(/*uploads=*/0, /*downloads=*/1, /*waits=*/1, /*strays=*/0);
}

TEST_CASE("an upload is counted") {
  const auto logits = logits_on_device();
  (void)(logits * at::ones({1, 4}).to(logits.device()));
  check_offences(/*uploads=*/1, /*downloads=*/0, /*waits=*/1, /*strays=*/0);
}

TEST_CASE("memory on the first device is counted") {
  const auto logits = logits_on_device();
  (void)at::ones({1, 4}, at::TensorOptions(c10::kPrivateUse1));
  check_offences(/*uploads=*/0, /*downloads=*/0, /*waits=*/0, /*strays=*/1);
}

TEST_CASE("the host may not touch the memory of a tensor") {
  const auto logits = logits_on_device();
  const auto child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    _exit(*logits.const_data_ptr<float>() > 0 ? 1 : 0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGSEGV);
}

TEST_CASE("tensors that meet on two devices are refused") {
  const auto logits = logits_on_device();
  CHECK_THROWS_WITH((void)(logits * at::ones({1, 4})), doctest::Contains("fake:1 and cpu"));
  CHECK_THROWS_WITH((void)(logits * at::ones({1, 4}, at::TensorOptions(c10::kPrivateUse1))),
                    doctest::Contains("fake:1 and fake:0"));
}

TEST_CASE("a kernel that starts on another device than its tensors' is refused") {
  CHECK_THROWS_WITH(count_kernel("a kernel"), doctest::Contains("starts on fake:0"));
}

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::test
