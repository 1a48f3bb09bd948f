#pragma once
#include "native/bilevel/engine.h"

namespace l2t::bilevel {

/// The bilevel iteration by four sweeps of each operation. It records no graph, repeats no step, and copies no value
/// from the device to the host.
class NativeEngine final : public Engine {
 public:
  explicit NativeEngine(const Problem& problem) : problem_(problem) {}

  RealStep real_step(const Batch& batch, const Sgd& sgd, TargetState& state) override;
  MetaStep meta_step(const Batch& batch, const Batch& judge, const Sgd& sgd, const TargetState& state,
                     const ParameterVector& phi) override;

 private:
  const Problem& problem_;
};

}  // namespace l2t::bilevel
