#pragma once

#include <odeon/base/error.hpp>
#include <odeon/core/fwd.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// @file What a state machine knows of itself as a picture, and its complaints. Bodies in
/// src/pattern/fsm.cpp.

namespace odeon::detail {

/// The time of the `n`-th entry is over.
struct fsm_timeout {
  std::uint64_t n;
};

class fsm_graph {
 public:
  void add_state(std::string_view name);
  /// An edge; `from` empty: from every state. Known ones are not added again.
  void add(std::string_view from, std::string_view to, std::string label, bool declared);
  [[nodiscard]] std::string dot() const;
  /// "coin" for "shop::coin".
  [[nodiscard]] static std::string short_name(std::string_view type);

  // What is thrown or told when a machine is not as it should be.
  [[noreturn]] static void twice(std::string_view state, std::string_view message);
  [[noreturn]] static void timeless(std::string_view state = {});
  [[noreturn]] static void undeclared(std::string_view from, std::string_view to,
                                      std::string_view message);
  [[nodiscard]] static error unhandled(const std::string& path, std::string_view state,
                                       std::string_view message);
  static void tell_unhandled(context& ctx, std::string_view message, bool was_ask);

  std::string start;

 private:
  struct edge {
    std::string from, to, label;
    bool declared;
  };
  std::vector<std::string> states_;
  std::vector<edge> edges_;
};

}  // namespace odeon::detail
