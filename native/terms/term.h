#pragma once
#include <ATen/core/Tensor.h>
#include <ATen/ops/add.h>

#include <memory>
#include <string>
#include <vector>

#include "native/core/interface.h"
#include "native/core/layout.h"
#include "native/core/reducer.h"
#include "native/nets/forward.h"
#include "native/transfer/meta_networks.h"
#include "native/transfer/source_maps.h"

/// The loss L is a sum of terms. Each kind of term has a file with its formula, its parameters, its settings and its
/// sweeps; terms.h lists them.
namespace l2t::terms {

/// An iteration's inputs, made once for all its steps. Where the ranks share a batch, its tensors have
/// this rank's images, every divisor B is `whole.images`, and losses and gradients are parts of sums over the ranks.
/// The first L images have labels: B, or B/2 with images without labels. Only these have a cross-entropy.
struct Batch {
  at::Tensor x;                            // images, B × 3 × H × W
  at::Tensor y;                            // labels, L, int64
  at::Tensor weights;                      // of the images in the cross-entropy, L; undefined: 1
  std::vector<nets::Activations> sources;  // of each source; gone after Term::begin where nothing reads them later
  transfer::SourceMaps maps;
  transfer::Importance importance;
  SharedBatch whole;
};

/// Outputs of the target that a term reads.
struct Reads {
  bool logits = false;
  std::vector<int> features;
};

/// A term's sweeps at one θ on one batch. Call them in this order: each reads what the earlier ones kept. `theta` and
/// `theta_dot` are all tensors of θ and of its tangent; a term finds its own by its slices. Only a term of virtual
/// steps has the tangents.
class TermPoint : public Interface {
 public:
  /// The term's value, a scalar, with its weight.
  virtual at::Tensor forward(const nets::Activations& target, Tensors theta) = 0;
  /// Adds the cotangents of the target's outputs to `bar`.
  virtual void backward(nets::Activations& bar) = 0;
  /// Adds the derivative of the term's tangent with respect to the weights of the matching loss to what the term keeps
  /// for phi_gradient. `keep`: tangent_backward will follow.
  virtual void tangent(const nets::Activations& dot, Tensors theta_dot, bool keep);
  /// Adds the tangents of what backward added.
  virtual void tangent_backward(nets::Activations& bar_dot);
  /// Call after backward or tangent_backward, and after the network's. Handles θ's gradient, or its tangent, that does
  /// not come through the target's outputs: adds it to the target's part, writes it for the term's own parameters.
  virtual void add_gradient(Tensors /*theta_bar*/) {}
};

/// One summand of L, made once a run.
class Term : public Interface {
 public:
  explicit Term(std::string name) : name_(std::move(name)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] virtual Reads reads() const = 0;
  /// Checks whether the term reads the sources' maps at their own size (Batch::sources).
  [[nodiscard]] virtual bool reads_sources() const { return false; }
  /// Checks whether its sweeps read the sources' maps at the target's sizes (SourceMaps::resized).
  [[nodiscard]] virtual bool reads_resized() const { return false; }
  /// Checks whether the virtual steps of a bilevel method take this term, which the meta-networks weight.
  [[nodiscard]] virtual bool in_virtual_steps() const { return false; }

  /// The tensors that the term keeps through a run beside its parameters, saved with the state: made with the term,
  /// filled by start.
  [[nodiscard]] virtual std::vector<NamedTensor> constants() const { return {}; }
  /// Called once, when a new run's θ has its first values.
  virtual void start(Tensors /*theta*/) {}

  /// Called once for each batch, before its first point: computes what all its points share. end() drops that.
  virtual void begin(const Batch& /*batch*/) {}
  virtual void end() {}
  /// Makes the term's sweeps for one θ on the batch that has begun.
  virtual std::unique_ptr<TermPoint> point(const Batch& batch) = 0;
  /// ∇φ, flat, from all tangent sweeps on this batch.
  virtual at::Tensor phi_gradient(const Batch& batch, const transfer::MetaNetworks& networks) const;

 private:
  std::string name_;
};

/// A term of real steps alone. Its value and its gradient are computed together.
class RealTerm : public Term {
 public:
  using Term::Term;

  struct Gradient {
    nets::Activations bar;
    std::vector<at::Tensor> theta;  // one for each tensor of θ; undefined: zero
  };
  /// Returns the value and adds to the gradient.
  virtual at::Tensor evaluate(const Batch& batch, const nets::Activations& target, Tensors theta,
                              Gradient& gradient) const = 0;
  std::unique_ptr<TermPoint> point(const Batch& batch) final;
};

/// A loss, and the cotangent of the target's map T that it reads.
struct MapLoss {
  at::Tensor loss;
  at::Tensor t_bar;
};

/// A term of real steps that is a sum over pairs.
class PairTerm : public RealTerm {
 public:
  PairTerm(std::string name, std::vector<transfer::Pair> pairs) : RealTerm(std::move(name)), pairs_(std::move(pairs)) {}

  [[nodiscard]] Reads reads() const final;
  at::Tensor evaluate(const Batch& batch, const nets::Activations& target, Tensors theta,
                      Gradient& gradient) const final;

 protected:
  /// Evaluates pair i, whose target map is t. Adds the part that does not come through t to the gradient.
  virtual MapLoss evaluate_pair(size_t i, const Batch& batch, const at::Tensor& t, Tensors theta,
                                Gradient& gradient) const = 0;
  [[nodiscard]] const std::vector<transfer::Pair>& pairs() const { return pairs_; }

 private:
  std::vector<transfer::Pair> pairs_;
};

/// Adds to a sum that may be undefined yet, which means zero.
inline void add_to(at::Tensor& sum, at::Tensor term) { sum = sum.defined() ? at::add(sum, term) : std::move(term); }

}  // namespace l2t::terms
