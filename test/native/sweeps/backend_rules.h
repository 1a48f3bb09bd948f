#pragma once
#include "native/backends/backend.h"
#include "native/backends/unit_end.h"
#include "test/native/sweeps/rule.h"

/// What backends compute in one go.
namespace l2t::test {

/// The matching loss at one target map, in a backend's direct form. Inputs: T, then the branches' weight and bias.
Rule matching(const Shape& s, const backends::Backend& backend);

/// The same by Gram matrices, from source maps of the sides kernel, stride and padding (0: there is none); all but the
/// first have half of its channels, and one more.
Rule gram_matching(const Shape& s);

/// A fused unit of the CPU, and what follows batch norm in it. Its outputs, the map and the max-pool, as one vector.
Rule unit(const Shape& s, const backends::UnitEnd& end);

}  // namespace l2t::test
