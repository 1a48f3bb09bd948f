#pragma once
#include <ATen/core/Tensor.h>

#include <vector>

#include "native/kernels/conv_unit.h"
#include "native/kernels/form.h"
#include "native/nets/network.h"

namespace l2t::nets {

/// One step of the tape: operation `first`, or, where `fused`, a unit of the operations `first` to `last`
/// (kernels/conv_unit.h): convolution, batch norm, and `end`.
struct Step {
  size_t first;
  size_t last;
  bool fused = false;
  kernels::Form form{};
  kernels::UnitEnd end{};

  /// The value that is the step's map: `last + 1`, or `last` where a max-pool follows.
  [[nodiscard]] size_t map() const { return end.pool ? last : last + 1; }
  [[nodiscard]] std::vector<int> inputs(const Network& network) const;
};

/// The steps of the first `operations` of the list on images x. They are fused where the kernels support x.
std::vector<Step> make_plan(const Network& network, size_t operations, const at::Tensor& x,
                            kernels::Convolution convolution);

}  // namespace l2t::nets
