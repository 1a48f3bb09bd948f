#include "native/run/captured_step.h"

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "test/native/check.h"

namespace l2t::test {
namespace {

TEST_SUITE_BEGIN("run");

/// Notes what it is asked; a replay does what was captured.
class RecordingGraphs final : public backends::Graphs {
 public:
  explicit RecordingGraphs(std::string& calls) : calls_(calls) {}

  void warm_up(const Work& work) override {
    calls_ += "warm up, ";
    work();
  }
  size_t capture(const Work& work) override {
    calls_ += "capture " + std::to_string(captured_.size()) + ", ";
    captured_.push_back(work);
    return captured_.size() - 1;
  }
  void copy_in(const at::Tensor& fixed, const at::Tensor& values) override {
    calls_ += "copy in " + std::to_string(values.size(0)) + ", ";
    fixed.copy_(values);
  }
  void replay(size_t graph) override {
    calls_ += "replay " + std::to_string(graph) + ", ";
    captured_[graph]();
  }
  [[nodiscard]] size_t launches(size_t /*graph*/) const override { return 1; }
  void reset() override {
    calls_ += "reset, ";
    captured_.clear();
  }

 private:
  std::string& calls_;
  std::vector<Work> captured_;
};

TEST_CASE("a step warms up three times, is captured once at each shape, and from then on is only replayed") {
  // The sizes of the batches, and what is asked of the graphs.
  const std::vector<std::pair<int64_t, std::string>> steps{
      {4, "copy in 4, warm up, "},
      {4, "copy in 4, warm up, "},
      {2, "copy in 2, warm up, "},
      {4, "copy in 4, warm up, "},
      {4, "copy in 4, capture 0, replay 0, "},
      {4, "copy in 4, replay 0, "},
      {2, "copy in 2, warm up, "},
      {2, "copy in 2, warm up, "},
      {2, "copy in 2, capture 1, replay 1, "},
  };
  std::string calls;
  {
    const void* read = nullptr;
    run::CapturedStep step(std::make_unique<RecordingGraphs>(calls), [&](auto /*kind*/, const auto& inputs) {
      read = inputs.front().const_data_ptr();
      return inputs.front().sum().reshape({1});
    });
    std::map<int64_t, std::pair<const void*, const void*>> tensors;
    for (size_t k = 0; k < steps.size(); ++k) {
      const auto& [images, asked] = steps[k];
      CAPTURE(k);
      calls.clear();
      const auto result = step.run(run::CapturedStep::Kind::kMeta, {at::full({images}, static_cast<double>(k))});
      CHECK(calls == asked);
      // The result is the work's own, in the same tensors as before.
      CHECK(result.item<double>() == images * k);
      const std::pair<const void*, const void*> used{read, result.const_data_ptr()};
      CHECK((tensors.try_emplace(images, used).first->second == used));
    }
    CHECK(step.launches() == 2);
    calls.clear();
  }
  CHECK(calls == "reset, ");
}

TEST_SUITE_END();

}  // namespace
}  // namespace l2t::test
