#pragma once

#include <exception>
#include <source_location>
#include <string>

/// @file What a failed expectation throws.

namespace odeon::testkit {

/// An expectation that did not hold. An ordinary exception, so that it fails a test in any test
/// framework. `what()` reads "expected pong within 1 s, but nothing came (seed 1) at
/// bank_test.cpp:42".
class assertion_error : public std::exception {
 public:
  assertion_error(const std::string& text, const std::source_location& where);
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }
  /// Where in the test the expectation stands.
  [[nodiscard]] const std::source_location& where() const noexcept { return where_; }

 private:
  std::string text_;
  std::source_location where_;
};

}  // namespace odeon::testkit
