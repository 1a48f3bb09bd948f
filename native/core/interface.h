#pragma once

namespace l2t {

/// The base of every interface: its objects are used by pointer or reference, and never copied.
class Interface {
 public:
  Interface() = default;
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;
  virtual ~Interface() = default;
};

}  // namespace l2t
