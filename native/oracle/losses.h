#pragma once
#include "native/bilevel/engine.h"

namespace l2t::oracle {

/// A term's inputs at one θ.
struct Point {
  const bilevel::Problem& problem;
  const bilevel::Batch& batch;
  const transfer::Importance& importance;  // may depend on φ, unlike the batch's
  const nets::Activations& target;
  const Layout& layout;
  Tensors theta;

  [[nodiscard]] Tensors slice(const std::string& name) const { return layout.slice(name).of(theta); }
};

/// The value of a term by differentiable operations, written again from its formula.
at::Tensor loss(const std::string& term, const Point& point);

}  // namespace l2t::oracle
