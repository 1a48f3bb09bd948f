#pragma once
#include <string>
#include <vector>

#include "native/backends/backend.h"
#include "native/core/layout.h"
#include "native/core/random.h"
#include "native/core/settings.h"
#include "native/nets/network.h"
#include "native/terms/methods.h"
#include "native/transfer/pairs.h"
#include "native/transfer/source_maps.h"

namespace l2t::terms {

/// How neighbouring tensors of θ begin: drawn in one sequence.
struct Start {
  Purpose purpose;
  Slice slice;
  std::vector<nets::ParameterInit> initialisation;
};

/// The inputs from which a run's terms are made. Each term appends its own parameters to θ's layout.
class Setup {
 public:
  /// θ's first slice is `target`: the parameters of the target.
  Setup(const Method& method, const nets::Network& target, const std::vector<transfer::Source>& sources,
        const std::vector<transfer::Pair>& pairs, const Settings& settings, const at::TensorOptions& options,
        const backends::Backend& backend);

  [[nodiscard]] const nets::Network& target() const { return target_; }
  [[nodiscard]] const backends::Backend& backend() const { return backend_; }
  /// Type and device of the tensors of a run.
  [[nodiscard]] const at::TensorOptions& options() const { return options_; }
  [[nodiscard]] double setting(const std::string& name) const { return settings_.at(name); }
  /// Throws INVALID_OPTION where there are none.
  const std::vector<transfer::Pair>& pairs();
  /// The source network of a pair.
  [[nodiscard]] const nets::Network& source(const transfer::Pair& pair) const { return sources_[pair.source].network; }
  /// Throws INVALID_OPTION where there is no source.
  [[nodiscard]] const nets::Network& first_source() const;
  /// Throws INVALID_OPTION where the first source has not as many classes as the target.
  void require_source_of_classes() const;

  /// Appends a slice to θ. Its tensors train with the rest and are not part of the trained network.
  Slice add_parameters(const std::string& slice, const std::vector<TensorSpec>& specs,
                       const std::vector<nets::ParameterInit>& initialisation, Purpose purpose);

  /// Throws INVALID_OPTION where there are pairs that no term takes.
  void require_pairs_taken() const;
  [[nodiscard]] const Layout& theta() const { return theta_; }
  [[nodiscard]] const std::vector<Start>& starts() const { return starts_; }

 private:
  [[noreturn]] void refuse(const std::string& what) const;

  const Method& method_;
  const nets::Network& target_;
  const std::vector<transfer::Source>& sources_;
  const std::vector<transfer::Pair>& pairs_;
  const Settings& settings_;
  at::TensorOptions options_;
  const backends::Backend& backend_;
  Layout theta_;
  std::vector<Start> starts_;
  bool pairs_taken_ = false;
};

}  // namespace l2t::terms
