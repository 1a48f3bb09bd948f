#include "native/nets/initialise.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace l2t::nets {
namespace {

at::Tensor draw(const ParameterInit& init, at::IntArrayRef shape, const at::Generator& generator) {
  auto values = at::empty(shape, at::kFloat);
  switch (init.kind) {
    case Initialisation::kHeNormalFanOut:
      return values.normal_(0, std::sqrt(2.0 / static_cast<double>(init.fan)), generator);
    case Initialisation::kSmallNormal:
      return values.normal_(0, 0.01, generator);
    case Initialisation::kUniformFanIn: {
      const double bound = 1 / std::sqrt(static_cast<double>(init.fan));
      return values.uniform_(-bound, bound, generator);
    }
    case Initialisation::kOnes:
      return values.fill_(1);
    case Initialisation::kConstant:
      return values.fill_(init.value);
    case Initialisation::kZeros:
      break;
  }
  return values.zero_();
}

}  // namespace

void initialise(const std::vector<ParameterInit>& inits, Tensors tensors, uint64_t seed) {
  const auto generator = at::detail::createCPUGenerator(seed);
  for (size_t i = 0; i < inits.size(); ++i) tensors[i].copy_(draw(inits[i], tensors[i].sizes(), generator));
}

std::vector<at::Tensor> make_buffers(const Network& network, const at::TensorOptions& options) {
  std::vector<at::Tensor> buffers;
  for (size_t i = 0; i < network.buffers.size(); ++i) {
    const auto& shape = network.buffers[i].shape;
    buffers.push_back(i % 2 == 0 ? at::zeros(shape, options) : at::ones(shape, options));
  }
  return buffers;
}

std::vector<NamedTensor> initial_weights(const Network& network, uint64_t seed) {
  std::vector<at::Tensor> parameters;
  for (const auto& spec : network.parameters) parameters.push_back(at::zeros(spec.shape, at::kFloat));
  initialise(network.initialisation, parameters, seed_for(seed, Purpose::kTarget));
  std::vector<NamedTensor> weights;
  append_named(weights, network.parameters, parameters);
  append_named(weights, network.buffers, make_buffers(network, at::kFloat));
  return weights;
}

}  // namespace l2t::nets
