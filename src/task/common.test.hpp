#pragma once

#include <odeon/task/run.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <vector>

/// @file What the tests of tasks share.

namespace odeon::task_test {

using namespace std::chrono_literals;

using notes = std::vector<std::string>;

struct says_at_end {
  notes* log;
  std::string text;
  ~says_at_end() { log->push_back(text); }
};

inline task<int> gives(int n) { co_return n; }
inline task<int> naps(duration d, int n) {
  co_await sleep(d);
  co_return n;
}
/// The text of what a task threw.
inline std::string what(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
  }
}

}  // namespace odeon::task_test
