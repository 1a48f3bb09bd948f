#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>

#include <cmath>
#include <string>
#include <utility>

#include "native/core/error.h"
#include "native/core/side_stream.h"
#include "native/data/batches.h"
#include "native/nets/initialise.h"
#include "native/nets/registry.h"
#include "native/run/evaluation.h"
#include "test/native/check.h"
#include "test/native/device/counts.h"
#include "test/native/device/fake_device.h"
#include "test/native/device/learners.h"
#include "test/native/device/record.h"

namespace l2t::test {
namespace {

constexpr int64_t kImages = 11;
constexpr int64_t kBatch = 4;
const data::Normalisation kNormalisation{{0.48, 0.45, 0.4}, {0.22, 0.23, 0.24}};

data::ImageSet image_set(int64_t size, c10::Device device) {
  const auto generator = at::detail::createCPUGenerator(/*seed=*/2);
  const auto pixels = at::randint(256, {kImages, size, size, 3}, generator, at::kByte);
  const auto labels = at::randint(kClasses, {kImages}, generator, at::kLong);
  return {pixels.to(device), labels.to(device), size};
}

/// The options of two epochs.
data::TrainingBatches::Options batch_options(bool judged) {
  return {data::Augment::kCropFlip, /*resized_crops=*/false, judged, kBatch, /*seed=*/7, /*epochs=*/2};
}

/// Checks whether the result is on the device and equals the host's.
bool arrives(const at::Tensor& host, const at::Tensor& device) {
  return device.device() == fake_device() && at::equal(host, device.cpu());
}

double distance(const at::Tensor& host, const at::Tensor& device) {
  return (host - device.cpu()).abs().max().item<double>();
}

data::ImageBatch read(data::TrainingBatches& batches, int64_t epoch, int64_t step, c10::Device device,
                      bool judge = false) {
  auto input = judge ? batches.prepare_next(epoch, step) : batches.prepare(epoch, step, /*lr=*/0.1);
  if (!input) throw Error("INTERNAL", "A resident set has every batch.");
  input->plan = SideStream(device).upload(input->plan);
  return batches.batch(*input);
}

/// All batches of two epochs, and of the evaluation.
bool equal_batches(const data::ImageSet& host, const data::ImageSet& device) {
  const auto same = [](const data::ImageBatch& a, const data::ImageBatch& b) {
    return arrives(a.pixels, b.pixels) && arrives(a.labels, b.labels);
  };
  const auto options = batch_options(/*judged=*/true);
  // The images without labels may be the same ones.
  data::TrainingBatches training(host, host, options, nullptr);
  data::TrainingBatches training_there(device, device, options, nullptr);
  bool all = true;
  for (int64_t step = 0; step < 2 * training.steps(); ++step) {
    const auto epoch = step / training.steps();
    const auto k = step % training.steps();
    for (const bool judge : {false, true}) {
      all =
          same(read(training, epoch, k, at::kCPU, judge), read(training_there, epoch, k, fake_device(), judge)) && all;
    }
  }
  data::EvaluationBatches evaluation(host, "test", kBatch, nullptr);
  data::EvaluationBatches evaluation_there(device, "test", kBatch, nullptr);
  for (int64_t k = 0; k < evaluation.count(); ++k) all = same(evaluation.read(k), evaluation_there.read(k)) && all;
  return all;
}

/// Counts the device's work for an iteration's input: a batch, cropped and normalised.
Counts count_input(const data::ImageSet& set) {
  data::TrainingBatches batches(set, std::nullopt, batch_options(/*judged=*/false), nullptr);
  const data::ToInput to_input(set.size, kNormalisation, fake_device());
  reset_counts();
  const auto [pixels, labels] = read(batches, 0, 0, fake_device());
  const auto input = to_input(pixels);
  return counts();
}

/// A network with fixed weights.
struct Weights {
  Weights(const nets::Network& of, c10::Device device) : network(of), buffers(nets::make_buffers(of, device)) {
    auto vector = make_parameters(Layout(of.parameters), at::TensorOptions(device).dtype(at::kFloat));
    copy_by_name(of.parameters, vector.views, fixed_weights(of, /*seed=*/3));
    parameters = vector.views;
  }
  [[nodiscard]] run::Evaluation evaluate(const data::ImageSet& set, int64_t size) const {
    const auto go_on = [] { return false; };
    const auto evaluation =
        run::evaluate(network, parameters, buffers, {set, "test", kBatch, nullptr}, size, kNormalisation, go_on);
    if (!evaluation) throw Error("INTERNAL", "Nothing ends an evaluation.");
    return *evaluation;
  }
  [[nodiscard]] at::Tensor logits(const data::ImageSet& set, int64_t size) const {
    const data::ToInput to_input(size, kNormalisation, set.labels.device());
    return run::infer(network, parameters, buffers, set.pixels, to_input).logits;
  }

  const nets::Network& network;
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> buffers;
};

/// A network's evaluation of three batches of images of a side, and its logits.
struct Evaluated {
  Evaluated(const nets::Network& network, int64_t size, int64_t side, c10::Device device) {
    const auto set = image_set(side, device);
    const Weights weights(network, device);
    reset_counts();
    evaluation = weights.evaluate(set, size);
    asked = counts();
    logits = weights.logits(set, size);
  }
  run::Evaluation evaluation;
  Counts asked;
  at::Tensor logits;
};

TEST_SUITE_BEGIN("images");

TEST_CASE("an evaluation gives the results of the CPU, and asks no more of the device than recorded") {
  for (const auto& [target, size] :
       {std::pair{"vgg9_bn", 32}, {"resnet20", 32}, {"resnet18", 64}, {"resnet20_a", 32}}) {
    INFO(std::string(target));
    const auto network = nets::make_network({target, kClasses, 0.25});
    const Evaluated host(network, size, size, at::kCPU);
    const Evaluated device(network, size, size, fake_device());
    CHECK(device.evaluation.correct == host.evaluation.correct);
    CHECK(device.evaluation.total == host.evaluation.total);
    CHECK(at::equal(device.evaluation.predictions, host.evaluation.predictions));
    CHECK(std::abs(device.evaluation.loss - host.evaluation.loss) < 5e-6);
    CHECK(device.logits.device() == fake_device());
    CHECK(distance(host.logits, device.logits) < 1e-5);
    check_counts(std::string(target) + " evaluate", device.asked);
  }
}

TEST_CASE("images of another size are evaluated as on the CPU, but for the rounding of a few pixels") {
  const auto network = nets::make_network({"vgg9_bn", kClasses, 0.25});
  const Evaluated host(network, 32, 40, at::kCPU);
  const Evaluated device(network, 32, 40, fake_device());
  CHECK(std::abs(device.evaluation.loss - host.evaluation.loss) < 0.005);
  CHECK(distance(host.logits, device.logits) < 0.05);
}

TEST_CASE("images are cropped, mirrored and put into batches as on the CPU, byte for byte") {
  constexpr int64_t kSize = 32;
  const auto host = image_set(kSize, at::kCPU);
  const auto device = image_set(kSize, fake_device());
  const auto index = at::arange(kImages);
  const auto top = index % (2 * data::crop_padding(kSize) + 1);
  const auto left = index * 2 % (2 * data::crop_padding(kSize));
  const auto flip = index % 3 % 2;
  const auto cropped = [&](const data::ImageSet& set) {
    const auto there = [&](const at::Tensor& values) { return values.to(set.labels.device()); };
    return data::random_crops(set.pixels, there(top), there(left), there(flip));
  };
  CHECK(arrives(cropped(host), cropped(device)));
  CHECK(arrives(data::mirror(host.pixels, flip), data::mirror(device.pixels, flip.to(fake_device()))));
  CHECK(equal_batches(host, device));
  const auto asked = count_input(device);
  CHECK(asked.downloads == 0);
  check_counts("input", asked);
}

TEST_CASE("images become the networks' input as on the CPU, but for the rounding of pixels") {
  constexpr int64_t kSize = 32;
  const auto host = image_set(kSize, at::kCPU);
  const auto device = image_set(kSize, fake_device());
  const auto difference = [&](int64_t side) {
    return distance(data::ToInput(side, kNormalisation, at::kCPU)(host.pixels),
                    data::ToInput(side, kNormalisation, fake_device())(device.pixels));
  };
  CHECK(difference(kSize) < 1e-5);
  // A pixel may be rounded the other way; then it is divided by 255, and by a standard deviation of at least 0.22.
  for (const auto side : {kSize / 2, kSize * 2}) CHECK(difference(side) < 1.01 / 255 / 0.22);
}

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::test
