#include <ATen/ops/mm.h>

#include "native/backends/cuda/backend.h"
#include "native/backends/cuda/conv_unit.h"
#include "native/backends/fused_unit.h"
#include "native/backends/reference/backend.h"

namespace l2t::backends::cuda {
namespace {

/// Convolutions, products, pools, ReLU6 and flatten by LibTorch, through the reference's units; most of the rest by own
/// kernels.
class Cuda final : public GpuBackend {
 public:
  explicit Cuda(bool bf16) : products_(bf16) {}

  [[nodiscard]] const char* name() const override { return "cuda"; }

  [[nodiscard]] std::vector<Step> units(const Part& part) const override {
    const auto sides = nets::value_sides(part.network, part.x.size(2));
    const auto gradients = std::make_shared<Gradients>();
    std::vector<Step> steps;
    for (size_t i = 0; i < part.operations; i = steps.back().outputs.back()) {
      const auto& operation = part.network.operations[i];
      if (const auto fused = fused_unit_at(part, sides, i)) {
        auto unit = make_conv_unit(*fused, part.sweeps, products_, gradients);
        steps.push_back({fused->inputs, fused->outputs, std::move(unit)});
      } else if (const auto* const linear = std::get_if<nets::Linear>(&operation.kind)) {
        // It comes before the unit that writes `gradients` in a backward sweep.
        const auto write = [gradients](const at::Tensor& to, const at::Tensor& bar) {
          gradients->push_back({to, bar, {}});
        };
        auto unit = reference::linear_unit(*linear, products_, write);
        steps.push_back({operation.inputs, {static_cast<int>(i) + 1}, std::move(unit)});
      } else {
        steps.push_back(reference::unit_of(part, i));
      }
    }
    return steps;
  }

  [[nodiscard]] nets::Activations infer(const nets::Network& network, Tensors parameters, Tensors buffers,
                                        const at::Tensor& x) const override {
    // Batch norm and what follows a convolution are one own kernel.
    const auto run = [&](const FusedUnit& unit, const at::Tensor& map, const at::Tensor& skip) {
      const auto& [conv, norm, end, input, inputs, outputs] = unit;
      const auto y = products_.conv2d(map, parameters[conv.weight], {}, {conv.stride, conv.padding, conv.groups});
      const auto bias = conv.bias < 0 ? at::Tensor() : parameters[conv.bias];
      return norm_inference(y, end.relu, end.pool, parameters[norm.scale], parameters[norm.shift], channels_last(skip),
                            {buffers[norm.mean], buffers[norm.variance], bias});
    };
    return fused_inference(network, parameters, buffers, x, run);
  }

  [[nodiscard]] CrossEntropy cross_entropy(const at::Tensor& z, const ops::Labels& labels) const override {
    return cuda::cross_entropy(z.contiguous(), labels);
  }

  [[nodiscard]] at::Tensor cross_entropy_tangent_backward(const at::Tensor& log_p, const at::Tensor& z_dot,
                                                          const ops::Labels& labels) const override {
    return cuda::cross_entropy_tangent_backward(log_p, z_dot.contiguous(), labels);
  }

  [[nodiscard]] ops::Importance importance(const at::Tensor& s,
                                           const ops::ImportanceNetworks& networks) const override {
    const auto rows = s.contiguous();
    const bool what = networks.f_weight.defined();
    return cuda::importance(what ? products_.linear(rows, networks.f_weight, networks.f_bias) : at::Tensor(), rows,
                            networks);
  }

  void importance_backward(const at::Tensor& k_bar, const at::Tensor& s, const ops::Importance& importance,
                           double scale, const ops::ImportanceNetworks& bar) const override {
    const auto rows = s.contiguous();
    const auto z_bar = cuda::importance_backward(k_bar.contiguous(), rows, importance, scale, bar);
    if (!z_bar.defined()) return;
    auto weight_bar = bar.f_weight;
    at::mm_out(weight_bar, z_bar.t(), rows);
  }

  [[nodiscard]] MatchingSweep matching_gradient(const MatchingInputs& maps, const Pointwise& branches) const override {
    const auto inputs = dense(maps);
    const auto d = products_.conv2d(maps.t, branches.weight, branches.bias, ops::kPointwise);
    auto loss = cuda::matching_gradient(inputs, d);
    const auto bar =
        products_.conv2d_backward(d, maps.t, branches.weight, /*bias=*/true, /*input=*/true, ops::kPointwise);
    return {std::move(loss), bar.x_bar, {bar.w_bar, bar.b_bar}};
  }

  [[nodiscard]] MatchingSweep matching_tangent(const MatchingInputs& maps, const at::Tensor& t_dot,
                                               const Pointwise& branches, const Pointwise& branches_dot,
                                               bool product) const override {
    const auto inputs = dense(maps);
    // Computes W T + b again: a small convolution, which saves keeping a map.
    const auto d = products_.conv2d(maps.t, branches.weight, branches.bias, ops::kPointwise);
    const auto d_dot = products_.conv2d(t_dot, branches.weight, {}, ops::kPointwise);
    const auto d_dot_2 = products_.conv2d(maps.t, branches_dot.weight, branches_dot.bias, ops::kPointwise);
    MatchingSweep result{cuda::matching_tangent(inputs, d, d_dot, d_dot_2, product), {}, {}};
    if (!product) return result;
    const auto on_t = products_.conv2d_backward(d_dot, maps.t, branches.weight, true, true, ops::kPointwise);
    const auto on_t_dot = products_.conv2d_backward(d, t_dot, branches_dot.weight, false, true, ops::kPointwise);
    result.t_bar = on_t.x_bar.add_(on_t_dot.x_bar);
    result.bar = {on_t.w_bar.add_(on_t_dot.w_bar), on_t.b_bar};
    return result;
  }

  void sgd_step(const Sgd& sgd, const at::Tensor& theta, const at::Tensor& velocity, const at::Tensor& gradient,
                const at::Tensor& next_theta, const at::Tensor& next_velocity) const override {
    cuda::sgd_step(sgd, theta, velocity, gradient, next_theta, next_velocity);
  }

  [[nodiscard]] at::Tensor sgd_adjoint(const Sgd& sgd, const at::Tensor& a, const at::Tensor& b) const override {
    return cuda::sgd_adjoint(sgd, a, b);
  }

  void adam_step(const Adam& adam, const at::Tensor& phi, const at::Tensor& gradient,
                 const AdamState& state) const override {
    cuda::adam_step(adam, phi, gradient, state);
  }

 private:
  Products products_;

  /// The kernels read S channels last and k row by row.
  static MatchingInputs dense(const MatchingInputs& maps) {
    return {maps.t, channels_last(maps.source), maps.coefficient.contiguous()};
  }
};

}  // namespace

const Backend* backend_for(const Arithmetic& arithmetic) {
  static const Cuda float32(/*bf16=*/false);  // TF32 is a switch of LibTorch's
  static const Cuda bf16(/*bf16=*/true);
  const auto type = c10::typeMetaToScalarType(arithmetic.options.dtype());
  const bool has_kernels = is_gpu(arithmetic.options.device()) && (type == at::kFloat || type == at::kDouble);
  // The kernels exchange no sums among ranks.
  if (!has_kernels || !arithmetic.single || arithmetic.convolution != Convolution::kAuto) return nullptr;
  return arithmetic.precision == Precision::kBf16 ? &bf16 : &float32;
}

}  // namespace l2t::backends::cuda
