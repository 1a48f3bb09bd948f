#include "native/terms/cross_entropy.h"

namespace l2t::terms {
namespace {

class CrossEntropyPoint final : public TermPoint {
 public:
  CrossEntropyPoint(const backends::Backend& backend, const ops::Labels& labels) : backend_(backend), labels_(labels) {}

  at::Tensor forward(const nets::Activations& target, Tensors /*theta*/) override {
    auto [loss, log_p, z_bar] = backend_.cross_entropy(target.logits, labels_);
    log_p_ = std::move(log_p);
    z_bar_ = std::move(z_bar);
    return loss;
  }
  void backward(nets::Activations& bar) override { add_to(bar.logits, std::move(z_bar_)); }
  void tangent(const nets::Activations& dot, Tensors /*theta_dot*/, bool /*keep*/) override { z_dot_ = dot.logits; }
  void tangent_backward(nets::Activations& bar_dot) override {
    add_to(bar_dot.logits, backend_.cross_entropy_tangent_backward(log_p_, z_dot_, labels_));
  }

 private:
  const backends::Backend& backend_;
  ops::Labels labels_;
  at::Tensor log_p_;
  at::Tensor z_bar_;
  at::Tensor z_dot_;
};

class CrossEntropy final : public Term {
 public:
  CrossEntropy(const std::string& name, Setup& setup)
      : Term(name), backend_(setup.backend()), smoothing_(setup.setting("labelSmoothing")) {}
  [[nodiscard]] Reads reads() const override { return {.logits = true, .features = {}}; }
  std::unique_ptr<TermPoint> point(const Batch& batch) override {
    return std::make_unique<CrossEntropyPoint>(backend_,
                                               ops::Labels{batch.y, batch.weights, smoothing_, batch.whole.images});
  }

 private:
  const backends::Backend& backend_;
  double smoothing_;
};

}  // namespace

std::unique_ptr<Term> make_cross_entropy(const std::string& name, Setup& setup) {
  return std::make_unique<CrossEntropy>(name, setup);
}

}  // namespace l2t::terms
