#include "native/backends/cuda/infer.h"

#include "native/backends/cuda/kernels.h"
#include "native/backends/unit_end.h"

namespace l2t::backends::cuda {
namespace {

class Inference {
 public:
  Inference(const nets::Network& network, Tensors parameters, Tensors buffers, const at::Tensor& x,
            const Products& products)
      : network_(network),
        parameters_(parameters),
        buffers_(buffers),
        products_(products),
        part_{network, network.operations.size(), x, Sweeps::kGradient, {&alone(), x.size(0)}},
        sides_(nets::value_sides(network, x.size(2))),
        last_readers_(nets::last_readers(network)),
        values_(network.operations.size() + 1) {
    values_[0] = x;
  }

  nets::Activations run() {
    for (size_t i = 0; i < network_.operations.size();) {
      const auto fused = fused_unit_at(part_, sides_, i);
      const auto next = static_cast<size_t>(fused ? fused->outputs.back() : static_cast<int>(i) + 1);
      if (fused) {
        run_fused(*fused);
      } else {
        const auto& [kind, inputs] = network_.operations[i];
        values_[next] = nets::apply(kind, parameters_, buffers_, nets::Statistics::kRunning, values_[inputs.front()],
                                    values_[inputs.back()]);
      }
      for (; i < next; ++i) drop_after(static_cast<int>(i));
    }
    nets::Activations result;
    for (const auto& feature : network_.features) result.features.push_back(values_[feature.value]);
    result.logits = values_.back();
    return result;
  }

 private:
  void run_fused(const FusedUnit& unit) {
    const auto& [conv, norm, end, input, inputs, outputs] = unit;
    const auto y = products_.conv2d(values_[inputs[0]], parameters_[conv.weight], {},
                                    {.stride = conv.stride, .padding = conv.padding, .groups = conv.groups});
    const auto skip = end.add ? values_[inputs[1]].contiguous(at::MemoryFormat::ChannelsLast) : at::Tensor();
    const auto bias = conv.bias < 0 ? at::Tensor() : parameters_[conv.bias];
    auto maps = norm_inference(y, end.relu, end.pool, parameters_[norm.scale], parameters_[norm.shift], skip,
                               {buffers_[norm.mean], buffers_[norm.variance], bias});
    for (size_t k = 0; k < outputs.size(); ++k) values_[outputs[k]] = std::move(maps[k]);
  }

  /// Drops what operation i read last. Features stay.
  void drop_after(int i) {
    for (const int input : network_.operations[i].inputs) {
      if (last_readers_[input] == i && !part_.is_feature(input)) values_[input].reset();
    }
  }

  const nets::Network& network_;
  Tensors parameters_;
  Tensors buffers_;
  const Products& products_;
  Part part_;
  std::vector<int64_t> sides_;
  std::vector<int> last_readers_;
  std::vector<at::Tensor> values_;
};

}  // namespace

nets::Activations infer(const nets::Network& network, Tensors parameters, Tensors buffers, const at::Tensor& x,
                        const Products& products) {
  return Inference(network, parameters, buffers, x, products).run();
}

}  // namespace l2t::backends::cuda
