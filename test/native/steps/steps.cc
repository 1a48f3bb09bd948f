// Checks parts of a run that a GPU needs, without one. `steps` prints one JSON object:
//   calls:    what CapturedStep asks of a device with graphs, for batches of 4 and 2 images, one list a step
//   results:  of each step, first number and whether it is what the work itself gives
//   launches: what the step's graphs count at the end
//   kept:     whether every step at a shape used the same tensors
//   resize:   for some sizes, how far bytes resized as floats are from the CPU's bytes: most, and the part that differs
//   fits:     batches that fit into 100 bytes where a step takes 10 and 1 an image: of 200, of 95, and of 4 into 1 byte
#include <ATen/ATen.h>

#include <cstdio>
#include <memory>
#include <string>

#include "native/data/image_set.h"
#include "native/run/captured_step.h"
#include "native/run/gpu_memory.h"

namespace {

using namespace l2t;

/// Notes what it is asked; a replay does what was captured.
class RecordingGraphs final : public backends::Graphs {
 public:
  explicit RecordingGraphs(std::vector<std::string>& calls) : calls_(calls) {}

  void warm_up(const Work& work) override {
    calls_.emplace_back("warm up");
    work();
  }
  size_t capture(const Work& work) override {
    calls_.push_back("capture " + std::to_string(captured_.size()));
    captured_.push_back(work);
    return captured_.size() - 1;
  }
  void copy_in(const at::Tensor& fixed, const at::Tensor& values) override {
    calls_.push_back("copy in " + std::to_string(values.size(0)));
    fixed.copy_(values);
  }
  void replay(size_t graph) override {
    calls_.push_back("replay " + std::to_string(graph));
    captured_[graph]();
  }
  [[nodiscard]] size_t launches(size_t /*graph*/) const override { return 1; }
  void reset() override {
    calls_.emplace_back("reset");
    captured_.clear();
  }

 private:
  std::vector<std::string>& calls_;
  std::vector<Work> captured_;
};

std::string json(const std::vector<std::string>& items) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ",") + item;
  return "[" + text + "]";
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/// Steps on batches of these sizes, whose images are the step's number.
void print_steps(const std::vector<int64_t>& sizes) {
  std::vector<std::string> calls;
  std::vector<std::string> by_step;
  std::vector<std::string> results;
  std::map<int64_t, std::pair<const void*, const void*>> tensors;
  size_t launches = 0;
  bool kept = true;
  const auto next = [&] {
    std::vector<std::string> words;
    for (const auto& call : calls) words.push_back(quoted(call));
    calls.clear();
    by_step.push_back(json(words));
  };
  {
    const void* read = nullptr;
    run::CapturedStep step(std::make_unique<RecordingGraphs>(calls), [&](auto /*kind*/, const auto& inputs) {
      read = inputs.front().const_data_ptr();
      return inputs.front().sum().reshape({1});
    });
    for (size_t k = 0; k < sizes.size(); ++k) {
      const auto result = step.run(run::CapturedStep::Kind::kMeta, {at::full({sizes[k]}, static_cast<double>(k))});
      results.push_back(std::to_string(result.item<double>()));
      const std::pair<const void*, const void*> used{read, result.const_data_ptr()};
      kept &= tensors.try_emplace(sizes[k], used).first->second == used;
      next();
    }
    launches = step.launches();
  }
  next();
  std::printf("\"calls\":%s,\"results\":%s,\"launches\":%zu,\"kept\":%s", json(by_step).c_str(), json(results).c_str(),
              launches, kept ? "true" : "false");
}

void print_resize(const std::vector<std::pair<int64_t, int64_t>>& sizes) {
  at::manual_seed(1);
  std::vector<std::string> found;
  for (const auto& [from, to] : sizes) {
    const auto images = at::randint(256, {4, 3, from, from}, at::kByte);
    const auto bytes = at::_upsample_bilinear2d_aa(images, {to, to}, /*align_corners=*/false).to(at::kFloat);
    const auto distance = (data::resize_as_floats(images, to) - bytes).abs();
    found.push_back("{\"most\":" + std::to_string(distance.max().item<double>()) +
                    ",\"part\":" + std::to_string((distance > 0).to(at::kDouble).mean().item<double>()) + "}");
  }
  std::printf("\"resize\":%s", json(found).c_str());
}

void print_fits() {
  const auto fits = [](int64_t batch, size_t room) {
    return std::to_string(run::fitting_batch(batch, room, [&](int64_t images) {
      const auto bytes = static_cast<size_t>(10 + images);
      return bytes > room ? std::nullopt : std::optional(bytes);
    }));
  };
  std::printf("\"fits\":%s", json({fits(200, 100), fits(95, 100), fits(4, 1)}).c_str());
}

}  // namespace

int main() {
  std::printf("{");
  print_steps({4, 4, 2, 4, 4, 4, 2, 2, 2});
  std::printf(",");
  print_resize({{32, 20}, {32, 224}, {224, 32}, {96, 64}});
  std::printf(",");
  print_fits();
  std::printf("}\n");
  return 0;
}
