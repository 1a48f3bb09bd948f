#pragma once
#include <stdexcept>
#include <string>
#include <utility>

namespace l2t {

/// A failure with a stable code (src/errors.ts lists them) and a sentence that says what is wrong and what to do.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  [[nodiscard]] const std::string& code() const { return code_; }

 private:
  std::string code_;
};

}  // namespace l2t
