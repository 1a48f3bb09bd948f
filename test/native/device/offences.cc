#include <ATen/TensorOperators.h>
#include <ATen/ops/ones.h>

#include "native/core/error.h"
#include "test/native/device/counts.h"
#include "test/native/device/fake_device.h"
#include "test/native/device/json.h"
#include "test/native/device/learners.h"
#include "test/native/device/opened.h"

/// Each does on purpose what the product must not.
namespace l2t::test {
namespace {

run::Iteration iteration() {
  const Training training{
      "vgg9_bn", 32,         "scratch", 0,
      "none",    at::kFloat, false,     {{"momentum", 0.9}, {"weightDecay", 0.0001}, {"labelSmoothing", 0}}};
  const auto learner = make_learner(training, run::EngineKind::kNative, backends::Convolution::kAuto, fake_device());
  const auto batch = batch_of(training, 0, fake_device());
  reset_counts();
  return iterate(*learner, batch);
}

}  // namespace

std::string offend(const Words& words) {
  const auto& kind = words.at(0);
  if (kind == "read-value") {
    (void)iteration().real.losses.front().second.item();
  } else if (kind == "upload") {
    const auto logits = iteration().real.activations.logits;
    (void)(logits * at::ones({1, 4}).to(logits.device()));
  } else if (kind == "read-memory") {
    return json(*iteration().real.activations.logits.const_data_ptr<float>());
  } else if (kind == "host-tensor") {
    (void)(iteration().real.activations.logits * at::ones({1, 4}));
  } else if (kind == "first-device") {
    const auto logits = iteration().real.activations.logits;
    (void)at::ones({1, 4}, at::TensorOptions(c10::kPrivateUse1));
  } else if (kind == "two-devices") {
    (void)(iteration().real.activations.logits * at::ones({1, 4}, at::TensorOptions(c10::kPrivateUse1)));
  } else if (kind == "kernel") {
    count_kernel("a kernel");
  } else {
    throw Error("INVALID_OPTION", "Unknown offence " + kind + ".");
  }
  return json(counts());
}

}  // namespace l2t::test
