#pragma once
#include <cstdint>

#include "native/core/random.h"
#include "native/nets/network.h"

namespace l2t::nets {

/// Fills `tensors` (one for each of `inits`) with method.md's initialisation: drawn in float32 on the CPU, then cast
/// and moved, so that a seed gives the same values on every device.
void initialise(const std::vector<ParameterInit>& inits, Tensors tensors, uint64_t seed);

/// The seed for one purpose, derived from the run's seed.
inline uint64_t seed_for(uint64_t seed, Purpose purpose) {
  return Random(seed, static_cast<uint64_t>(purpose), 0).next();
}

/// Running mean 0 and variance 1.
std::vector<at::Tensor> make_buffers(const Network& network, const at::TensorOptions& options);

/// The parameters and buffers that a run with this seed begins with, float32 on the CPU.
std::vector<NamedTensor> initial_weights(const Network& network, uint64_t seed);

}  // namespace l2t::nets
