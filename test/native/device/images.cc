#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>

#include "native/core/error.h"
#include "native/core/side_stream.h"
#include "native/data/batches.h"
#include "native/nets/initialise.h"
#include "native/nets/registry.h"
#include "native/run/evaluation.h"
#include "test/native/device/counts.h"
#include "test/native/device/fake_device.h"
#include "test/native/device/json.h"
#include "test/native/device/learners.h"

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

/// Whether the result on the device is there, and is that of the host.
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
  const data::TrainingBatches::Options options{data::Augment::kCropFlip,
                                               /*resized_crops=*/false,
                                               /*judged=*/true,
                                               kBatch,
                                               /*seed=*/7,
                                               /*epochs=*/2};
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

/// What an iteration's input asks of the device: a batch, cropped and normalised.
Counts count_input(const data::ImageSet& set) {
  const data::TrainingBatches::Options options{data::Augment::kCropFlip,
                                               /*resized_crops=*/false,
                                               /*judged=*/false,
                                               kBatch,
                                               /*seed=*/7,
                                               /*epochs=*/1};
  data::TrainingBatches batches(set, std::nullopt, options, nullptr);
  const data::ToInput to_input(set.size, kNormalisation, fake_device());
  reset_counts();
  const auto [pixels, labels] = read(batches, 0, 0, fake_device());
  const auto input = to_input(pixels);
  return counts();
}

JsonObject described(const run::Evaluation& evaluation) {
  const auto* const classes = evaluation.predictions.const_data_ptr<int32_t>();
  return JsonObject()
      .add("correct", evaluation.correct)
      .add("total", evaluation.total)
      .add("loss", evaluation.loss)
      .add("predictions", std::vector<int32_t>(classes, classes + evaluation.predictions.numel()));
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
    return run::evaluate(network, parameters, buffers, {set, "test", kBatch, nullptr}, size, kNormalisation, go_on)
        .value_or(run::Evaluation{});
  }
  [[nodiscard]] at::Tensor logits(const data::ImageSet& set, int64_t size) const {
    const data::ToInput to_input(size, kNormalisation, set.labels.device());
    return run::infer(network, parameters, buffers, set.pixels, to_input).logits;
  }

  const nets::Network& network;
  std::vector<at::Tensor> parameters;
  std::vector<at::Tensor> buffers;
};

}  // namespace

std::string images(const Words& words) {
  const auto size = std::stoll(words.at(0));
  const auto host = image_set(size, at::kCPU);
  const auto device = image_set(size, fake_device());
  const auto index = at::arange(kImages);
  const auto top = index % (2 * data::crop_padding(size) + 1);
  const auto left = index * 2 % (2 * data::crop_padding(size));
  const auto flip = index % 3 % 2;
  const auto cropped = [&](const data::ImageSet& set) {
    const auto there = [&](const at::Tensor& values) { return values.to(set.labels.device()); };
    return data::random_crops(set.pixels, there(top), there(left), there(flip));
  };
  const auto input = [&](const data::ImageSet& set, int64_t side) {
    return data::ToInput(side, kNormalisation, set.labels.device())(set.pixels);
  };
  return JsonObject()
      .add("crops", arrives(cropped(host), cropped(device)))
      .add("mirror", arrives(data::mirror(host.pixels, flip), data::mirror(device.pixels, flip.to(fake_device()))))
      .add("input", distance(input(host, size), input(device, size)))
      .add("reduced", distance(input(host, size / 2), input(device, size / 2)))
      .add("enlarged", distance(input(host, size * 2), input(device, size * 2)))
      .add("batches", equal_batches(host, device))
      .add("counts", count_input(device))
      .text();
}

std::string evaluate(const Words& words) {
  const auto network = nets::make_network({words.at(0), kClasses, 0.25});
  const auto size = std::stoll(words.at(1));
  const auto side = std::stoll(words.at(2));
  const auto set = image_set(side, at::kCPU);
  const auto set_there = image_set(side, fake_device());
  const Weights weights(network, at::kCPU);
  const Weights weights_there(network, fake_device());
  JsonObject result;
  result.add("host", described(weights.evaluate(set, size)));
  reset_counts();
  result.add("device", described(weights_there.evaluate(set_there, size))).add("counts", counts());
  const auto logits = weights_there.logits(set_there, size);
  return result.add("onDevice", logits.device() == fake_device())
      .add("logits", distance(weights.logits(set, size), logits))
      .text();
}

}  // namespace l2t::test
