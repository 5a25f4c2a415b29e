#pragma once

#include <odeon/base/time.hpp>
#include <odeon/core/fwd.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

/// @file What happens to an actor whose handler or hook lets an exception out.
///
///     system.spawn<worker>({.supervision = {
///         .decider = {on<connection_lost>(directive::restart),
///         on<bad_request>(directive::resume)}, .otherwise = directive::escalate, .max_retries = 5,
///         .within = 1min, .backoff = {.initial = 200ms, .max = 30s}}});

namespace odeon {

enum class directive : std::uint8_t {
  resume,    ///< keep the state, go on with the next message; the failed one is a dead letter
  restart,   ///< a new instance from the kept arguments, same ref and mailbox; children are stopped
             ///< first
  stop,      ///< stop the actor; watchers are told why
  escalate,  ///< stop the actor, and fail its parent with the same failure
};

/// Who is meant by the directive when an actor fails.
enum class scope : std::uint8_t {
  one_for_one,   ///< the failed actor
  all_for_one,   ///< it and all its siblings
  rest_for_one,  ///< it and the siblings spawned after it
};

/// Why an actor failed: handed to `pre_restart` and `post_restart`, and part of events.
struct failure {
  std::exception_ptr exception;  ///< never null
  std::string
      what;  ///< the exception's text; "unknown exception" for one that is no std::exception
  std::string path;          ///< the actor whose handler failed first
  std::string_view message;  ///< the type of the message in hand; empty in a hook
  std::string_view where;    ///< "handler", or the hook's name
};

namespace detail {
template <class Given>
inline constexpr bool is_a_decision = false;
}

/// One line of a decider. Made by `on<E>`, or of a predicate that is known at run time only.
struct decision {
  bool (*matches)(const std::exception_ptr&, const void* data);
  directive what;
  std::shared_ptr<const void> data = {};  ///< what `matches` is called with

  /// Whether the line is about that exception. @threadsafe when `matches` is.
  [[nodiscard]] bool fits(const std::exception_ptr& p) const { return matches(p, data.get()); }

  decision(bool (*m)(const std::exception_ptr&, const void*), directive d,
           std::shared_ptr<const void> data = {}) noexcept
      : matches(m),
        what(d),
        data(std::move(data)) {}
  /// For the compiler's message alone.
  template <class F>
  decision(const F&) {
    static_assert(detail::is_a_decision<F>,
                  "odeon: a decider is no function but a list by exception type: "
                  ".decider = {odeon::on<my_error>(odeon::directive::resume)}");
  }
};

/// The first that matches counts.
struct decision_list : std::vector<decision> {
  decision_list() = default;
  decision_list(std::initializer_list<decision> list) : vector(list) {}
  decision_list(std::vector<decision> list) noexcept : vector(std::move(list)) {}
  /// For the compiler's message alone.
  template <class F>
    requires std::is_invocable_v<F&, const std::exception_ptr&> ||
             std::is_invocable_v<F&, const std::exception&>
  decision_list(const F& f) : decision_list{decision(f)} {}
};

/// `directive` for exceptions of type `E` and those derived from it.
template <class E>
[[nodiscard]] decision on(directive what) noexcept {
  return {[](const std::exception_ptr& p, const void*) {
            try {
              std::rethrow_exception(p);
            } catch (const E&) {
              return true;
            } catch (...) {
              return false;
            }
          },
          what};
}

/// How long to wait before a restart: initial · multiplier^n, at most max, spread by ± jitter of
/// itself.
struct backoff_options {
  duration initial{0};  ///< zero: restart at once
  duration max = std::chrono::seconds(30);
  double multiplier = 2.0;
  double jitter = 0.2;  ///< 0 to 1
};

struct supervision {
  decision_list decider = {};                ///< the first that matches counts
  directive otherwise = directive::restart;  ///< for exceptions that none matches
  odeon::scope scope = odeon::scope::one_for_one;
  unsigned max_retries = 3;  ///< restarts within `within`; the failure after them stops it
  duration within = std::chrono::minutes(1);  ///< a sliding window; zero: for ever
  backoff_options backoff = {};
};

}  // namespace odeon
