#include "native/terms/terms.h"

#include <map>

#include "native/core/error.h"

namespace l2t::terms {
namespace {

using Make = std::unique_ptr<Term> (*)(const std::string& name, Setup& setup);

/// The table of terms.
const std::map<std::string, Make> kTerms{
    {kCrossEntropy, make_cross_entropy},
    {"matching", make_matching},
    {"attention", make_attention},
    {"distillation", make_distillation},
    {"kd", make_kd},
    {"l2-sp", make_l2_sp},
    {"sp", make_sp},
    {"vid", make_vid},
};

}  // namespace

std::unique_ptr<Term> make_term(const std::string& name, Setup& setup) { return kTerms.at(name)(name, setup); }

void TermPoint::tangent(const nets::Activations& /*dot*/, Tensors /*theta_dot*/, bool /*keep*/) {
  throw Error("INTERNAL", "A virtual step takes a term that has no tangent.");
}

void TermPoint::tangent_backward(nets::Activations& bar_dot) { tangent(bar_dot, {}, false); }

at::Tensor Term::phi_gradient(const Batch& /*batch*/, const transfer::MetaNetworks& /*networks*/) const {
  throw Error("INTERNAL", "The meta-networks weight a term that has no weights.");
}

namespace {

class RealPoint final : public TermPoint {
 public:
  RealPoint(const RealTerm& term, const Batch& batch) : term_(term), batch_(batch) {}

  at::Tensor forward(const nets::Activations& target, Tensors theta) override {
    gradient_.bar.features.resize(target.features.size());
    gradient_.theta.resize(theta.size());
    return term_.evaluate(batch_, target, theta, gradient_);
  }
  void backward(nets::Activations& bar) override {
    auto& [logits, features] = gradient_.bar;
    if (logits.defined()) add_to(bar.logits, std::move(logits));
    for (size_t n = 0; n < features.size(); ++n) {
      if (features[n].defined()) add_to(bar.features[n], std::move(features[n]));
    }
  }
  void add_gradient(Tensors theta_bar) override {
    for (size_t i = 0; i < theta_bar.size(); ++i) {
      if (gradient_.theta[i].defined()) theta_bar[i].add_(gradient_.theta[i]);
    }
  }

 private:
  const RealTerm& term_;
  const Batch& batch_;
  RealTerm::Gradient gradient_;
};

}  // namespace

std::unique_ptr<TermPoint> RealTerm::point(const Batch& batch) { return std::make_unique<RealPoint>(*this, batch); }

Reads PairTerm::reads() const { return {.logits = false, .features = transfer::target_features(pairs_)}; }

at::Tensor PairTerm::evaluate(const Batch& batch, const nets::Activations& target, Tensors theta,
                              Gradient& gradient) const {
  at::Tensor loss;
  for (size_t i = 0; i < pairs_.size(); ++i) {
    const int n = pairs_[i].target_feature;
    auto of_pair = evaluate_pair(i, batch, target.features[n], theta, gradient);
    add_to(loss, of_pair.loss);
    add_to(gradient.bar.features[n], std::move(of_pair.t_bar));
  }
  return loss;
}

}  // namespace l2t::terms
