#pragma once
#include <napi.h>

#include <string>
#include <vector>

#include "native/core/layout.h"
#include "native/nets/describe.h"
#include "native/nets/registry.h"

namespace l2t::binding {

struct FeatureDescription {
  int index;
  int channels;
  int64_t size;
  bool candidate;

  static void fields(auto& self, auto&& visit) {
    visit("index", self.index);
    visit("channels", self.channels);
    visit("size", self.size);
    visit("candidate", self.candidate);
  }
};

struct NetworkDescription {
  std::string name;
  std::vector<TensorSpec> parameters;
  std::vector<TensorSpec> buffers;
  std::vector<nets::OperationDescription> operations;
  std::vector<int64_t> sides;
  std::vector<FeatureDescription> features;

  static void fields(auto& self, auto&& visit) {
    visit("name", self.name);
    visit("parameters", self.parameters);
    visit("buffers", self.buffers);
    visit("operations", self.operations);
    visit("sides", self.sides);
    visit("features", self.features);
  }
};

// networks(), describe(), initialise() and pairs() of src/native/contract.ts.
Napi::Value networks(const Napi::CallbackInfo& info);
Napi::Value describe(const Napi::CallbackInfo& info);
Napi::Value initialise(const Napi::CallbackInfo& info);
Napi::Value pairs(const Napi::CallbackInfo& info);

}  // namespace l2t::binding
