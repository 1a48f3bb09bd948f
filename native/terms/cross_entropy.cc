#include <ATen/ops/constant_pad_nd.h>

#include <utility>

#include "native/terms/terms.h"

/// L_org: the cross-entropy of the target's logits with the labels (ops/cross_entropy.h).
namespace l2t::terms {
namespace {

/// The rows of the images with labels, which come first.
at::Tensor labelled(const at::Tensor& z, const ops::Labels& labels) { return z.slice(0, 0, labels.y.size(0)); }

/// The cotangent of all logits: those of images without labels get 0.
at::Tensor for_all(const at::Tensor& z_bar, int64_t images) {
  const auto unlabelled = images - z_bar.size(0);
  return unlabelled == 0 ? z_bar : at::constant_pad_nd(z_bar, {0, 0, 0, unlabelled});
}

class CrossEntropyPoint final : public TermPoint {
 public:
  CrossEntropyPoint(const backends::Backend& backend, const ops::Labels& labels) : backend_(backend), labels_(labels) {}

  at::Tensor forward(const nets::Activations& target, Tensors /*theta*/) override {
    images_ = target.logits.size(0);
    auto [loss, log_p, z_bar] = backend_.cross_entropy(labelled(target.logits, labels_), labels_);
    log_p_ = std::move(log_p);
    z_bar_ = std::move(z_bar);
    return loss;
  }
  void backward(nets::Activations& bar) override { add_to(bar.logits, for_all(std::exchange(z_bar_, {}), images_)); }
  void tangent(const nets::Activations& dot, Tensors /*theta_dot*/, bool /*keep*/) override {
    z_dot_ = labelled(dot.logits, labels_);
  }
  void tangent_backward(nets::Activations& bar_dot) override {
    add_to(bar_dot.logits, for_all(backend_.cross_entropy_tangent_backward(log_p_, z_dot_, labels_), images_));
  }

 private:
  const backends::Backend& backend_;
  ops::Labels labels_;
  int64_t images_ = 0;
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
                                               ops::Labels{batch.y, batch.weights, smoothing_, batch.whole.labelled()});
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
