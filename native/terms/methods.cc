#include "native/terms/methods.h"

#include "native/core/error.h"

namespace l2t::terms {

const std::vector<Method>& methods() {
  static const std::vector<Method> table{
      {"scratch", {}, {}},
      // Starts from a checkpoint's weights.
      {"finetune", {}, {}},
      {"lwf", {"distillation"}, {}},
      {"at", {"attention"}, {}},
      {"lwf+at", {"attention", "distillation"}, {}},
      {"kd", {"kd"}, {}},
      {"kd+fm", {"matching", "kd"}, {}},
      {"kd+l2t-ww", {"matching", "kd"}, {.what = true, .where = true}},
      {.name = "l2-sp", .terms = {"l2-sp"}, .learned = {}, .decays = false},
      {"sp", {"sp"}, {}},
      {"vid", {"vid"}, {}},
      // Unweighted feature matching (Romero et al. 2015).
      {"fm", {"matching"}, {}},
      // An ablation: a sum over channels where fm takes the mean.
      {"amounts-only", {"matching"}, {.what = false, .where = true}},
      {"l2t-w", {"matching"}, {.what = true, .where = false}},
      {"l2t-ww", {"matching"}, {.what = true, .where = true}},
  };
  return table;
}

const Method& method_named(const std::string& name) {
  std::string known;
  for (const auto& method : methods()) {
    if (name == method.name) return method;
    known += (known.empty() ? "" : ", ") + method.name;
  }
  throw Error("INVALID_OPTION", "Unknown method '" + name + "': use one of " + known + ".");
}

}  // namespace l2t::terms
