#include "native/backends/cpu/loops.h"

#include <cstring>
#include <initializer_list>
#include <type_traits>

namespace l2t::backends::cpu {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define L2T_X86_LOOPS
#endif

#define L2T_LOOPS_OF(isa)             \
  namespace isa {                     \
  extern const Loops<float> kFloat;   \
  extern const Loops<double> kDouble; \
  }
L2T_LOOPS_OF(baseline)
#ifdef L2T_X86_LOOPS
L2T_LOOPS_OF(avx2)
L2T_LOOPS_OF(avx512)
#endif
#undef L2T_LOOPS_OF

int64_t Geometry::frequencies() const { return form == Form::kFourByFour ? 36 : form == Form::kTwoByTwo ? 9 : 1; }

int64_t Geometry::tiles() const {
  return form == Form::kFourByFour ? (side + 3) / 4 : form == Form::kTwoByTwo ? 1 : side;
}

namespace {

template <class T>
const Loops<T>* of_type(const Loops<float>* single, const Loops<double>* wide) {
  if constexpr (std::is_same_v<T, float>) {
    return single;
  } else {
    return wide;
  }
}

}  // namespace

template <class T>
const Loops<T>* loops_named(const char* name) {
  const auto is = [&](const char* other) { return std::strcmp(name, other) == 0; };
#ifdef L2T_X86_LOOPS
  if (is("avx512")) {
    const bool there = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
    return there ? of_type<T>(&avx512::kFloat, &avx512::kDouble) : nullptr;
  }
  if (is("avx2")) {
    const bool there = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return there ? of_type<T>(&avx2::kFloat, &avx2::kDouble) : nullptr;
  }
#endif
  return is("baseline") ? of_type<T>(&baseline::kFloat, &baseline::kDouble) : nullptr;
}

template <class T>
const Loops<T>& loops() {
  static const Loops<T>& best = [&]() -> const Loops<T>& {
    for (const char* name : {"avx512", "avx2"}) {
      if (const auto* found = loops_named<T>(name); found != nullptr) return *found;
    }
    return *loops_named<T>("baseline");
  }();
  return best;
}

template const Loops<float>* loops_named(const char*);
template const Loops<double>* loops_named(const char*);
template const Loops<float>& loops();
template const Loops<double>& loops();

}  // namespace l2t::backends::cpu
