#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "native/kernels/form.h"
#include "native/nets/network.h"

namespace l2t::nets {

/// What the tape runs at once: operation `first` by itself, or, where there is a form, convolution, batch norm and
/// perhaps ReLU, `first` to `last`, as a fused unit (kernels/conv_unit.h).
struct Step {
  size_t first;
  size_t last;
  std::optional<kernels::Form> form;

  [[nodiscard]] bool fused() const { return form.has_value(); }
};

/// The steps of the first `operations` of the list on images x. Units run on the CPU, in float32 and float64.
std::vector<Step> make_plan(const Network& network, size_t operations, const at::Tensor& x,
                            kernels::Convolution convolution);

}  // namespace l2t::nets
