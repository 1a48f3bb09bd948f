#pragma once
#include <functional>
#include <memory>

#include "native/backends/backend.h"
#include "native/backends/products.h"

namespace l2t::backends::reference {

/// The operations of ops/ one by one, by LibTorch, on any device.
const Backend& backend();

/// Null for kWinograd.
const Backend* backend_for(const Arithmetic& arithmetic);

/// A linear layer. write(to, bar) writes a parameter's gradient, or its tangent, to `to`.
using Write = std::function<void(const at::Tensor& to, const at::Tensor& bar)>;
std::unique_ptr<Unit> linear_unit(const nets::Linear& op, const Products& products, Write write);

/// The unit that begins with operation `first`.
Step unit_of(const Part& part, size_t first);

}  // namespace l2t::backends::reference
