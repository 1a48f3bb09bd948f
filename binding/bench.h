#pragma once
#include <napi.h>

#include <memory>

#include "native/run/learner.h"

namespace l2t::binding {

struct BenchJob {
  run::Hyperparameters hyperparameters;
  nets::NetworkSpec target;
  int64_t size;
  int64_t batch;
  run::SourceSpec source;
  int64_t source_size;
  double lr;
  std::string device;
  int threads;

  static void fields(auto& self, auto&& visit) {
    run::Hyperparameters::fields(self.hyperparameters, visit);
    visit("target", self.target);
    visit("size", self.size, kSides);
    visit("batch", self.batch, Whole{1, 65536});
    visit("source", self.source);
    visit("sourceSize", self.source_size, kSides);
    visit("lr", self.lr);
    visit("device", self.device);
    visit("threads", self.threads, kThreads);
  }
};

/// An iteration as one graph.
struct GraphTiming {
  double seconds;
  /// The graph's operations: kernels, copies and fills; 0 where CUDA does not say.
  size_t launches;

  static void fields(auto& self, auto&& visit) {
    visit("seconds", self.seconds);
    visit("launches", self.launches);
  }
};

/// class Bench of src/native/contract.ts: times iterations on random images and initial weights.
class Bench : public Napi::ObjectWrap<Bench> {
 public:
  static Napi::Function constructor(Napi::Env env);
  explicit Bench(const Napi::CallbackInfo& info);

 private:
  Napi::Value iterate(const Napi::CallbackInfo& info);
  Napi::Value iterate_as_graph(const Napi::CallbackInfo& info);

  /// An iteration's inputs; shared with the thread that runs the iteration.
  struct Subject;
  std::shared_ptr<Subject> subject_;
};

}  // namespace l2t::binding
