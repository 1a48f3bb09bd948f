#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "test/native/check.h"
#include "test/native/device/counts.h"
#include "test/native/device/fake_device.h"
#include "test/native/device/learners.h"
#include "test/native/device/record.h"

namespace l2t::test {

using backends::Convolution;
namespace {

double largest(const at::Tensor& tensor) {
  return tensor.numel() == 0 ? 0 : tensor.to(at::kCPU, at::kDouble).abs().max().item<double>();
}

std::string kind(const std::string& name) { return name.substr(0, name.find('/')); }

/// The largest difference of two lists of tensors with equal names. A tensor's difference is relative to the largest
/// number of its kind (theta/…, momentum/…): biases before batch norm have a gradient of rounding alone.
struct Difference {
  double value = 0;
  std::string tensor;
};

Difference largest_difference(const std::vector<NamedTensor>& truth, const std::vector<NamedTensor>& tensors) {
  std::map<std::string, double> scales;
  for (const auto& [name, tensor] : truth) scales[kind(name)] = std::max(scales[kind(name)], largest(tensor));
  Difference result;
  for (size_t i = 0; i < truth.size(); ++i) {
    const auto& [name, wanted] = truth[i];
    const double distance = largest(tensors[i].tensor.cpu() - wanted.cpu());
    const double difference = distance == 0 ? 0 : distance / scales.at(kind(name));
    // A NaN difference counts, too.
    if (!(difference <= result.value)) result = {difference, name};
  }
  return result;
}

/// The names of the tensors that differ in a bit.
std::string unequal(const std::vector<NamedTensor>& truth, const std::vector<NamedTensor>& tensors) {
  std::string names;
  for (size_t i = 0; i < truth.size(); ++i) {
    if (!at::equal(truth[i].tensor.cpu(), tensors[i].tensor.cpu())) names += truth[i].name + ' ';
  }
  return names;
}

/// The names of the tensors that are not on the fake device.
std::string elsewhere(const std::vector<NamedTensor>& tensors) {
  std::string names;
  for (const auto& [name, tensor] : tensors) {
    if (tensor.device() != fake_device()) names += name + ' ';
  }
  return names;
}

std::vector<NamedTensor> copies_on_cpu(std::vector<NamedTensor> tensors) {
  for (auto& named : tensors) named.tensor = named.tensor.to(at::kCPU).clone();
  return tensors;
}

/// The iteration that is counted: by then everything that is made once exists.
constexpr int64_t kIterations = 3;

/// All that an iteration hands back.
std::vector<NamedTensor> results_of(const run::Iteration& iteration) {
  std::vector<NamedTensor> results;
  const auto add_all = [&](const std::string& prefix, const std::vector<at::Tensor>& tensors) {
    for (size_t i = 0; i < tensors.size(); ++i) results.push_back({prefix + std::to_string(i), tensors[i]});
  };
  for (const auto& [term, loss] : iteration.real.losses) results.push_back({"loss/" + term, loss});
  results.push_back({"logits/target", iteration.real.activations.logits});
  add_all("w/", iteration.importance.w);
  add_all("lambda/", iteration.importance.lambda);
  if (!iteration.meta) return results;
  for (const auto& losses : iteration.meta->virtual_losses) {
    for (const auto& [term, loss] : losses) results.push_back({"virtual/" + term, loss});
  }
  results.push_back({"virtual/last", iteration.meta->virtual_cross_entropy});
  results.push_back({"objective/target", iteration.meta->objective});
  results.push_back({"grad/phi", iteration.meta->phi_gradient});
  results.push_back({"virtual_theta/theta", iteration.meta->virtual_theta});
  return results;
}

std::vector<NamedTensor> all_of(const run::Learner& learner, const run::Iteration& iteration) {
  auto tensors = learner.tensors();
  const auto results = results_of(iteration);
  tensors.insert(tensors.end(), results.begin(), results.end());
  return tensors;
}

/// A learner that goes on from a saved state of another.
std::unique_ptr<run::Learner> resumed(std::unique_ptr<run::Learner> fresh, const std::vector<NamedTensor>& state,
                                      const at::Tensor& adam_steps) {
  std::vector<TensorSpec> specs;
  std::vector<at::Tensor> tensors;
  for (const auto& [name, tensor] : fresh->tensors()) {
    specs.push_back({name, tensor.sizes().vec()});
    tensors.push_back(tensor);
  }
  copy_by_name(specs, tensors, state);
  fresh->meta_optimiser().steps().copy_(adam_steps);
  return fresh;
}

/// Saves, resumes in another learner, and trains both for one iteration more: the tensors that differ then.
std::string unequal_after_resume(run::Learner& learner, std::unique_ptr<run::Learner> fresh,
                                 const TrainingBatch& batch) {
  const auto other = resumed(std::move(fresh), copies_on_cpu(learner.tensors()), learner.meta_optimiser().steps());
  const auto iteration = iterate(learner, batch);
  const auto same = iterate(*other, batch);
  return unequal(all_of(learner, iteration), all_of(*other, same));
}

/// The results of one engine and backend.
struct Trained {
  double difference;  // the largest from the CPU
  Counts counts;      // of the last iteration
};

/// The tolerance in float64, relative to the largest of a kind. Only the order of sums may differ from the CPU's,
/// which gives some 1e-14; a mistake gives far more.
constexpr double kRounding = 1e-10;

/// Checks that training on the device begins, goes on and resumes as on the CPU, by every engine and backend, whose
/// names are the keys of the result.
std::map<std::string, Trained> check_training(const Training& training, double tolerance = kRounding) {
  std::map<std::string, Trained> results;
  for (const auto engine : {run::EngineKind::kNative, run::EngineKind::kAutograd}) {
    const auto host = make_learner(training, engine, Convolution::kDirect, at::kCPU);
    const auto start = copies_on_cpu(host->tensors());
    std::vector<NamedTensor> truth;
    for (int64_t k = 0; k < kIterations; ++k) truth = all_of(*host, iterate(*host, batch_of(training, k, at::kCPU)));
    for (const auto convolution : {Convolution::kDirect, Convolution::kAuto}) {
      const auto make = [&] { return make_learner(training, engine, convolution, fake_device()); };
      const auto device = make();
      const auto by = std::string(name_of(engine)) + ' ' + std::string(device->problem().backend->name());
      if (results.count(by) > 0) continue;
      INFO(by);
      CHECK(unequal(start, device->tensors()) == "");
      std::vector<NamedTensor> tensors;
      for (int64_t k = 0; k < kIterations; ++k) {
        const auto batch = batch_of(training, k, fake_device());
        reset_counts();
        const auto iteration = iterate(*device, batch);
        results[by].counts = counts();
        tensors = all_of(*device, iteration);
      }
      const auto [difference, tensor] = largest_difference(truth, tensors);
      results[by].difference = difference;
      INFO(tensor);
      CHECK(difference < tolerance);
      CHECK(elsewhere(tensors) == "");
      CHECK(results[by].counts.strays == 0);
      CHECK(unequal_after_resume(*device, make(), batch_of(training, kIterations, fake_device())) == "");
    }
  }
  return results;
}

void check_method(const std::string& target, int64_t size, const std::string& method) {
  const auto prefix = target + ' ' + method + ' ';
  for (const auto& [by, trained] : check_training({target, size, method})) check_counts(prefix + by, trained.counts);
}

TEST_SUITE_BEGIN("training");

// A term asks the same of a device whatever the target and the other terms, so one target has every method but one.
#define METHOD(name, ...)                                                               \
  TEST_CASE(("vgg9_bn " name) * doctest::skip(std::string_view(name) == "kd+l2t-ww")) { \
    check_method("vgg9_bn", 32, name);                                                  \
  }
#include "test/native/methods.inc"
#undef METHOD

TEST_CASE("resnet20 fm") { check_method("resnet20", 32, "fm"); }
TEST_CASE("resnet18 fm") { check_method("resnet18", 64, "fm"); }
TEST_CASE("resnet20_a l2t-ww") { check_method("resnet20_a", 32, "l2t-ww"); }

TEST_CASE("l2t-ww with smoothed labels and weights of classes, and another batch that judges φ") {
  check_training({.target = "vgg9_bn", .size = 32, .method = "l2t-ww", .beyond_paper = true});
}

TEST_CASE("l2t-ww with two sources, the second of larger images") {
  check_training({.target = "vgg9_bn", .size = 32, .method = "l2t-ww", .sources = 2});
}

TEST_CASE("l2t-ww in float32, as runs are") {
  // A float32 step rounds to some 1e-7; three iterations let that grow.
  check_training({.target = "vgg9_bn", .size = 32, .method = "l2t-ww", .type = at::kFloat}, 1e-3);
}

TEST_CASE("l2t-ww with products of bfloat16") {
  // bfloat16 has 8 bits: more than rounding of float32, and far from a mistake.
  const auto results =
      check_training({.target = "vgg9_bn", .size = 32, .method = "l2t-ww", .type = at::kFloat, .bf16 = true}, 0.5);
  CHECK(results.at("native cuda").difference > 1e-3);
}

TEST_CASE("an iteration of any kind of network reads no value on the host, and does not wait for the device") {
  for (const auto& [target, size] : {std::pair{"vgg9_bn", 32},
                                     {"resnet20", 32},
                                     {"resnet20_a", 32},
                                     {"resnet18", 64},
                                     {"resnet50", 64},
                                     {"vgg11_bn", 64}}) {
    INFO(std::string(target));
    const Training training{
        .target = target, .size = size, .method = "l2t-ww", .type = at::kFloat, .beyond_paper = true};
    const auto learner = make_learner(training, run::EngineKind::kNative, Convolution::kDirect, fake_device());
    iterate(*learner, batch_of(training, 0, fake_device()));
    const auto batch = batch_of(training, 1, fake_device());
    reset_counts();
    iterate(*learner, batch);
    CHECK(counts().downloads == 0);
    CHECK(counts().waits == 0);
  }
}

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::test
