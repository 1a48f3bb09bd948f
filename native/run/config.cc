#include "native/run/config.h"

#include "native/core/error.h"

namespace l2t::run {
namespace {

void require_valid(const data::ImageSet& images, const char* set, int64_t classes) {
  if (images.count() == 0) {
    throw Error("INVALID_DATA", std::string("The ") + set + " set has no images: leave it out, or give some.");
  }
  const auto* const labels = images.labels.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < images.count(); ++i) {
    if (labels[i] >= 0 && labels[i] < classes) continue;
    throw Error("INVALID_DATA", "Image " + std::to_string(i) + " of the " + set + " set has label " +
                                    std::to_string(labels[i]) + ", but there are only " + std::to_string(classes) +
                                    " classes.");
  }
}

}  // namespace

void require_valid(const RunConfig& config) {
  const auto classes = config.target.classes;
  require_valid(config.train, "training", classes);
  if (config.validation) require_valid(*config.validation, "validation", classes);
  if (config.test) require_valid(*config.test, "test", classes);
  if (config.patience && !config.select_best) {
    throw Error("INVALID_OPTION", "patience counts from the best epoch: it needs selectBest.");
  }
}

}  // namespace l2t::run
