#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "native/backends/device.h"
#include "native/backends/graphs.h"
#include "native/backends/matching.h"
#include "native/backends/unit.h"
#include "native/core/interface.h"
#include "native/core/names.h"
#include "native/core/reducer.h"
#include "native/nets/forward.h"
#include "native/nets/network.h"
#include "native/ops/cross_entropy.h"
#include "native/ops/importance.h"

namespace l2t::backends {

/// How a GPU multiplies in convolutions and linear layers: in float32; on tensor cores with inputs rounded to TF32; or
/// with inputs cast to bfloat16. Everything else stays float32.
enum class Precision { kFloat32, kTf32, kBf16 };
constexpr auto names_of(Precision) { return std::array{"float32", "tf32", "bf16"}; }

/// How the native engine computes convolutions: by the kernels of the CPU or of CUDA where the device has them, else by
/// the reference (auto); by those of the CPU, an error elsewhere (winograd); by the reference (direct).
enum class Convolution { kAuto, kWinograd, kDirect };
constexpr auto names_of(Convolution) { return std::array{"auto", "winograd", "direct"}; }

/// How a run computes.
struct Arithmetic {
  at::TensorOptions options;  // type and device of its tensors
  Convolution convolution = Convolution::kAuto;
  Precision precision = Precision::kFloat32;
  bool single = true;  // in one process
  /// False: a GPU may take faster algorithms whose results differ from run to run.
  bool deterministic = true;
};

/// The first `operations` of a network, for images x, and how far the sweeps go.
struct Part {
  const nets::Network& network;
  size_t operations;
  const at::Tensor& x;
  Sweeps sweeps;
  SharedBatch norm;  // the images of batch norm's statistics

  [[nodiscard]] bool is_feature(size_t value) const;

  /// Operation i if it is of this kind and the only reader of operation i − 1's output; else null.
  template <class Kind>
  [[nodiscard]] const Kind* follower(size_t i) const {
    return i < operations && reads_alone(i) ? std::get_if<Kind>(&network.operations[i].kind) : nullptr;
  }

  [[nodiscard]] bool reads_alone(size_t i) const;
};

/// SGD with momentum μ and weight decay wd at learning rate α: `v ← μ v + ∇ + wd·θ ; θ ← θ − α v`. It acts on every
/// parameter, also where ∇ = 0. Its adjoint goes from a = ∂L/∂θ and b = ∂L/∂v at the step's end to the direction
/// d = b − α a, and a ← a + wd·d (the caller adds the Hessian's part), b ← μ d.
struct Sgd {
  at::Tensor lr;  // α: 0-dim, float64, on the device
  double momentum;
  double weight_decay;
};

/// Adam (Kingma & Ba 2015) after bias correction; weight decay is added to the gradient.
struct Adam {
  static constexpr double kBeta1 = 0.9;
  static constexpr double kBeta2 = 0.999;
  static constexpr double kEpsilon = 1e-8;
  double lr;
  double weight_decay;
};

struct AdamState {
  at::Tensor mean;
  at::Tensor square;
  at::Tensor steps;  // done so far: 0-dim, float64, on the device
};

/// The results of ops/cross_entropy.h.
struct CrossEntropy {
  at::Tensor loss;
  at::Tensor log_p;
  at::Tensor z_bar;
};

/// How the native engine computes on a kind of device. Vectors of SGD and Adam are flat, contiguous and of equal
/// length.
class Backend : public Interface {
 public:
  [[nodiscard]] virtual const char* name() const = 0;
  /// The units of a part of a network, in the order of the forward sweep.
  [[nodiscard]] virtual std::vector<Step> units(const Part& part) const = 0;

  // Operations with a default by LibTorch, on any device.

  /// A network with running statistics: logits and features.
  [[nodiscard]] virtual nets::Activations infer(const nets::Network& network, Tensors parameters, Tensors buffers,
                                                const at::Tensor& x) const {
    return nets::forward(network, parameters, buffers, x, nets::Statistics::kRunning);
  }
  [[nodiscard]] virtual CrossEntropy cross_entropy(const at::Tensor& z, const ops::Labels& labels) const;
  [[nodiscard]] virtual at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot,
                                                                  const ops::Labels& labels) const {
    return ops::cross_entropy_tangent_backward(log_p, z_dot, labels);
  }
  [[nodiscard]] virtual ops::Importance importance(const at::Tensor& s, const ops::ImportanceNetworks& networks) const {
    return ops::importance(s, networks);
  }
  virtual void importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const ops::Importance& importance,
                                   double scale, const ops::ImportanceNetworks& bar) const {
    ops::importance_backward(k_bar, s, importance, scale, bar);
  }

  /// The matching loss at a target map of t's shape; `sources` and `coefficient` as of MatchedMap. By default it
  /// resizes the sources' maps and takes the direct form below.
  [[nodiscard]] virtual std::unique_ptr<MatchedMap> matched_map(const std::vector<at::Tensor>& sources,
                                                                const at::Tensor& coefficient,
                                                                const at::Tensor& t) const;

  // Operations that every backend implements.

  // The direct form of the matching loss, on resized maps.

  /// L, T̄, W̄ and b̄.
  [[nodiscard]] virtual MatchingSweep matching_gradient(const MatchingInputs& maps,
                                                        const Pointwise& branches) const = 0;
  /// ė and, where `product`, T̄̇, W̄̇ and b̄̇ (undefined otherwise).
  [[nodiscard]] virtual MatchingSweep matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot,
                                                       const Pointwise& branches, const Pointwise& branches_dot,
                                                       bool product) const = 0;

  /// v' = μ v + ∇ + wd·θ, θ' = θ − α v'. Results may overwrite the operands.
  virtual void sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
                        const at::Tensor& next_theta, const at::Tensor& next_velocity) const = 0;
  /// Returns d = b − α a; in place a ← a + wd·d, b ← μ d.
  [[nodiscard]] virtual at::Tensor sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b) const = 0;
  /// One step of Adam; φ and the state change in place.
  virtual void adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient,
                         const AdamState& state) const = 0;

  // Facts about the backend's devices: by default none.

  [[nodiscard]] virtual bool multiplies_in(Precision precision, c10::Device /*device*/) const {
    return precision == Precision::kFloat32;
  }
  /// Null where the device has no graphs.
  [[nodiscard]] virtual std::unique_ptr<Graphs> graphs(c10::Device /*device*/) const { return nullptr; }
  /// None where the device's memory is not counted.
  [[nodiscard]] virtual std::optional<DeviceMemory> memory(c10::Device /*device*/) const { return {}; }
  virtual void reset_peak_memory(c10::Device /*device*/) const {}
  /// Starts nothing on a GPU.
  [[nodiscard]] virtual Versions versions() const { return {}; }
  /// Starts every visible GPU, which takes seconds and a part of its memory.
  [[nodiscard]] virtual Gpus gpus() const { return {}; }
};

/// The first backend of the registry that supports the arithmetic; for a device alone, the one that knows it. Throws
/// INVALID_OPTION where there is none.
const Backend& backend_for(const Arithmetic& arithmetic);

/// Sets LibTorch's switches for cuDNN and cuBLAS where the device is a GPU. Call it before the first operation there.
/// They hold for the whole process, also for its operations on the CPU.
void set_arithmetic(const Arithmetic& arithmetic);

}  // namespace l2t::backends
