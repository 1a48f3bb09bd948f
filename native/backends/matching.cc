#include "native/backends/matching.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include "native/backends/backend.h"

namespace l2t::backends {
namespace {

class DirectPoint final : public MatchingPoint {
 public:
  DirectPoint(const Backend& backend, MatchingInputs inputs, const Pointwise& branches)
      : backend_(backend), inputs_(std::move(inputs)), branches_(branches) {}

  MatchingSweep gradient() override { return backend_.matching_gradient(inputs_, branches_); }

  MatchingSweep tangent(const at::Tensor& t_dot, const Pointwise& branches_dot, bool product) override {
    return backend_.matching_tangent(inputs_, t_dot, branches_, branches_dot, product);
  }

 private:
  const Backend& backend_;
  MatchingInputs inputs_;
  Pointwise branches_;
};

class DirectMap final : public MatchedMap {
 public:
  DirectMap(const Backend& backend, at::Tensor source, at::Tensor coefficient)
      : backend_(backend), source_(std::move(source)), coefficient_(std::move(coefficient)) {}

  [[nodiscard]] std::unique_ptr<MatchingPoint> at(const at::Tensor& t, const Pointwise& branches) const override {
    return std::make_unique<DirectPoint>(backend_, MatchingInputs{t, source_, coefficient_}, branches);
  }

 private:
  const Backend& backend_;
  at::Tensor source_;
  at::Tensor coefficient_;
};

}  // namespace

at::Tensor resized(const at::Tensor& map, int64_t side) {
  return map.size(2) == side ? map : at::upsample_bilinear2d(map, {side, side}, /*align_corners=*/false);
}

std::unique_ptr<MatchedMap> direct_matching(const Backend& backend, const std::vector<at::Tensor>& sources,
                                            const at::Tensor& coefficient, int64_t side) {
  std::vector<at::Tensor> parts;
  parts.reserve(sources.size());
  for (const auto& source : sources) parts.push_back(resized(source, side));
  return std::make_unique<DirectMap>(backend, parts.size() == 1 ? parts.front() : at::cat(parts, 1), coefficient);
}

std::unique_ptr<MatchedMap> Backend::matched_map(const std::vector<at::Tensor>& sources, const at::Tensor& coefficient,
                                                 const at::Tensor& t) const {
  return direct_matching(*this, sources, coefficient, t.size(2));
}

}  // namespace l2t::backends
