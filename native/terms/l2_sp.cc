#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "native/terms/terms.h"

/// L²-SP (Li, Grandvalet & Davoine 2018): the target stays near the weights that it started from.
///
///   forward    L = α/2 ‖θ_S − θ_S⁰‖² + β/2 ‖θ_new‖²
///   backward   θ̄_S = α (θ_S − θ_S⁰) ;  θ̄_new = β θ_new
///
/// θ_S: all parameters of the target but the last layer's, those of batch norm, too; θ_S⁰: their values at the start;
/// θ_new: the last layer, which is new; α: `l2SpAlpha`; β: `l2SpBeta`.
namespace l2t::terms {
namespace {

class L2Sp final : public RealTerm {
 public:
  L2Sp(const std::string& name, Setup& setup)
      : RealTerm(name),
        target_(setup.theta().slice("target")),
        last_layer_(nets::last_layer(setup.target())),
        alpha_(setup.setting("l2SpAlpha")),
        beta_(setup.setting("l2SpBeta")) {
    for (const auto& spec : setup.target().parameters)
      start_.push_back({name + "." + spec.name, at::zeros(spec.shape, setup.options())});
  }

  [[nodiscard]] Reads reads() const override { return {}; }
  [[nodiscard]] std::vector<NamedTensor> constants() const override { return start_; }
  void start(Tensors theta) override {
    for (size_t i = 0; i < start_.size(); ++i) start_[i].tensor.copy_(target_.of(theta)[i]);
  }

  at::Tensor evaluate(const Batch& batch, const nets::Activations& /*target*/, Tensors theta,
                      Gradient& gradient) const override {
    // It does not depend on the images, so one rank adds it to the sums.
    if (!batch.whole.reducer->first()) return at::zeros({}, start_.front().tensor.options());
    at::Tensor loss;
    for (size_t i = 0; i < start_.size(); ++i) {
      const bool fresh = last_layer_.contains(static_cast<int>(i));
      const auto& value = target_.of(theta)[i];
      const auto distance = fresh ? value : value - start_[i].tensor;
      const double weight = fresh ? beta_ : alpha_;
      gradient.theta[target_.begin + i] = distance * weight;
      add_to(loss, distance.square().sum() * (weight / 2));
    }
    return loss;
  }

 private:
  Slice target_;
  std::set<int> last_layer_;
  double alpha_;
  double beta_;
  std::vector<NamedTensor> start_;  // θ⁰, the last layer's too
};

}  // namespace

std::unique_ptr<Term> make_l2_sp(const std::string& name, Setup& setup) { return std::make_unique<L2Sp>(name, setup); }

}  // namespace l2t::terms
