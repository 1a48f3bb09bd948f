#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "native/core/layout.h"

/// A network is a list of operations, written once: inference, the oracle and the tape all run this list.
namespace l2t::nets {

constexpr double kBatchNormEpsilon = 1e-5;
constexpr double kRunningMomentum = 0.1;

/// A kind of operation has a name, and names its parts once: its parameters and buffers (members hold their positions
/// in the network's lists; −1: none), and its settings, which are numbers. binding/networks.cc reads these names.
struct Conv2d {
  int weight;  // C_out × C_in/groups × k × k
  int bias;
  int stride;
  int padding;
  int groups = 1;

  static constexpr auto kKind = "conv2d";
  void parts(auto&& visit) const {
    visit.parameter("weight", weight);
    visit.parameter("bias", bias);
    visit.setting("stride", stride);
    visit.setting("padding", padding);
    visit.setting("groups", groups);
  }
};
struct BatchNorm {
  int scale;
  int shift;
  int mean;
  int variance;

  static constexpr auto kKind = "batch_norm";
  void parts(auto&& visit) const {
    visit.parameter("scale", scale);
    visit.parameter("shift", shift);
    visit.buffer("mean", mean);
    visit.buffer("variance", variance);
    visit.setting("epsilon", kBatchNormEpsilon);
  }
};
struct Relu {
  static constexpr auto kKind = "relu";
  void parts(auto&& /*visit*/) const {}
};
/// min(max(x, 0), 6).
struct Relu6 {
  static constexpr auto kKind = "relu6";
  void parts(auto&& /*visit*/) const {}
};
struct Add {
  static constexpr auto kKind = "add";
  void parts(auto&& /*visit*/) const {}
};
/// A residual block's shortcut without weights (ops/padded_shortcut.h): `before` and `after` are the channels of zeros.
struct PaddedShortcut {
  int stride;
  int before;
  int after;

  static constexpr auto kKind = "padded_shortcut";
  void parts(auto&& visit) const {
    visit.setting("stride", stride);
    visit.setting("before", before);
    visit.setting("after", after);
  }
};
struct MaxPool {
  int kernel;
  int stride;
  int padding;

  static constexpr auto kKind = "max_pool";
  void parts(auto&& visit) const {
    visit.setting("kernel", kernel);
    visit.setting("stride", stride);
    visit.setting("padding", padding);
  }
};
/// B × C × H × W → B × C.
struct GlobalAveragePool {
  static constexpr auto kKind = "global_average_pool";
  void parts(auto&& /*visit*/) const {}
};
/// B × C × H × W → B × C × side × side.
struct AdaptiveAveragePool {
  int side;

  static constexpr auto kKind = "adaptive_average_pool";
  void parts(auto&& visit) const { visit.setting("side", side); }
};
/// B × C × H × W → B × CHW.
struct Flatten {
  static constexpr auto kKind = "flatten";
  void parts(auto&& /*visit*/) const {}
};
struct Linear {
  int weight;  // C_out × C_in
  int bias;

  static constexpr auto kKind = "linear";
  void parts(auto&& visit) const {
    visit.parameter("weight", weight);
    visit.parameter("bias", bias);
  }
};

using OperationKind = std::variant<Conv2d, BatchNorm, Relu, Relu6, Add, PaddedShortcut, MaxPool, GlobalAveragePool,
                                   AdaptiveAveragePool, Flatten, Linear>;

/// Operation i reads the values `inputs` and makes value i + 1; value 0 is the images.
struct Operation {
  OperationKind kind;
  std::vector<int> inputs;
};

enum class Initialisation { kHeNormalFanOut, kOnes, kZeros, kConstant, kSmallNormal, kUniformFanIn };

struct ParameterInit {
  Initialisation kind;
  /// Fan-out for He normal, fan-in for uniform.
  int64_t fan;
  /// The value of a constant initialisation.
  double value = 0;
};

/// A feature map that can be matched: a value of the list.
struct Feature {
  int value;
  int channels;
  /// An ImageNet ResNet's first map, which is never a candidate for a pair.
  bool stem;
  /// H = W in a network that runs elsewhere; 0: it follows from the images' side.
  int64_t side = 0;
};

struct Network {
  std::string name;
  int64_t classes = 0;
  std::vector<Operation> operations;
  std::vector<TensorSpec> parameters;
  std::vector<ParameterInit> initialisation;  // one for each parameter
  std::vector<TensorSpec> buffers;            // batch norm's running_mean and running_var, alternating
  std::vector<Feature> features;

  /// A source that is an ONNX file: its feature maps and logits are computed by ONNX Runtime.
  [[nodiscard]] bool runs_elsewhere() const { return operations.empty(); }
};

/// Calls body(index) for the parameters of operations `begin` to `end`.
template <class Body>
void for_parameters(const Network& network, size_t begin, size_t end, const Body& body) {
  struct Visit {
    const Body& body;
    void parameter(const char* /*name*/, int index) const {
      if (index >= 0) body(index);
    }
    void buffer(const char* /*name*/, int /*index*/) const {}
    void setting(const char* /*name*/, double /*value*/) const {}
  };
  for (size_t i = begin; i < end; ++i) {
    std::visit([&](const auto& kind) { kind.parts(Visit{body}); }, network.operations[i].kind);
  }
}

/// Indices of the last layer's parameters.
std::set<int> last_layer(const Network& network);

/// Sides of all values for images of side `size`; 1 of a value B × C. Throws INVALID_OPTION where the images are too
/// small.
std::vector<int64_t> value_sides(const Network& network, int64_t size);

/// Sides of the feature maps for images of side `size`. Throws INVALID_OPTION where the images are too small.
std::vector<int64_t> feature_sizes(const Network& network, int64_t size);

/// Indices of the features that can be paired: the last of each group of equal side, never a stem; in a network that
/// runs elsewhere, all.
std::vector<int> candidates(const Network& network, int64_t size);

}  // namespace l2t::nets
