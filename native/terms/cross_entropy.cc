#include "native/terms/cross_entropy.h"

#include "native/ops/cross_entropy.h"

namespace l2t::terms {
namespace {

class CrossEntropyPoint final : public TermPoint {
 public:
  explicit CrossEntropyPoint(at::Tensor y) : y_(std::move(y)) {}

  at::Tensor forward(const nets::Activations& target, Tensors /*theta*/) override {
    return ops::cross_entropy(target.logits, y_, log_p_);
  }
  void backward(nets::Activations& bar) override { add_to(bar.logits, ops::cross_entropy_backward(log_p_, y_)); }
  void tangent(const nets::Activations& dot, Tensors /*theta_dot*/, bool /*keep*/) override { z_dot_ = dot.logits; }
  void tangent_backward(nets::Activations& bar_dot) override {
    add_to(bar_dot.logits, ops::cross_entropy_tangent_backward(log_p_, z_dot_));
  }

 private:
  at::Tensor y_;
  at::Tensor log_p_;
  at::Tensor z_dot_;
};

class CrossEntropy final : public Term {
 public:
  using Term::Term;
  [[nodiscard]] Reads reads() const override { return {.logits = true, .features = {}}; }
  std::unique_ptr<TermPoint> point(const Batch& batch) override { return std::make_unique<CrossEntropyPoint>(batch.y); }
};

}  // namespace

std::unique_ptr<Term> make_cross_entropy(const std::string& name, Setup& /*setup*/) {
  return std::make_unique<CrossEntropy>(name);
}

}  // namespace l2t::terms
