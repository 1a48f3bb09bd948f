#pragma once
#include <cstdint>

/// A struct that crosses the binding names its members once, in a function
///
///     static void fields(auto& self, auto&& visit) { visit("name", self.name); … }
///
/// binding/marshal.h reads and writes structs by it. A name is that of src/native/contract.ts. A rule may follow the
/// member: the values that JavaScript may give it. Without one a number is from 0 to 1e30, which float32 can hold.
namespace l2t {

/// A whole number in these bounds.
struct Whole {
  int64_t low;
  int64_t high;
};

/// A number in these bounds.
struct Within {
  double low;
  double high;
};

/// A member that is read from the whole object, not from one of its entries: all its numbers by name.
constexpr const char* kItself = "";

/// The counts that JavaScript's numbers hold exactly.
constexpr Whole kAnyCount{0, 9007199254740991};
/// Sides of images, pixels.
constexpr Whole kSides{1, 4096};
constexpr Whole kThreads{1, 1024};

}  // namespace l2t
