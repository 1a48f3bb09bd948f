#pragma once
#include <napi.h>

#include <string>
#include <utility>
#include <vector>

#include "native/core/layout.h"
#include "native/nets/registry.h"

namespace l2t::binding {

/// An operation in plain form, for programs that write it down in another format.
struct OperationDescription {
  std::string kind;
  std::vector<int> inputs;
  /// The part's name in the operation, and the tensor's name in the network. A part that is not there has no entry.
  std::vector<std::pair<std::string, std::string>> tensors;
  std::vector<std::pair<std::string, double>> settings;

  static void fields(auto& self, auto&& visit) {
    visit("kind", self.kind);
    visit("inputs", self.inputs);
    visit("tensors", self.tensors);
    visit("settings", self.settings);
  }
};

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
  std::vector<OperationDescription> operations;
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
