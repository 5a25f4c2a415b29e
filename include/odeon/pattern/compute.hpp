#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/pattern/detail/attempt.hpp>
#include <odeon/pattern/detail/compute_call.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

/// @file `compute`: work without state, on threads that may block or in processes of its own.
///
///     double total = co_await compute(system, [v] { return sum(v); });              // a thread
///
///     int primes(int from, int to);
///     inline const odeon::process_function<primes> primes_fn{"primes"};
///     int n = co_await compute(system, {.execution = execution::process, .limit = 10s},
///                              primes_fn, 1, 1'000'000);
///     int main(int argc, char** argv) {
///       odeon::serve_compute(argc, argv);      // first of all: a worker process ends in here
///
/// Threads share memory with the program; a crash there is the program's crash, and nothing can
/// stop a function that does not end. A worker process is the same executable started anew:
/// arguments and results travel as bytes (`wire`), a crash fails its one call, and a call beyond
/// its limit is ended with its process. A worker lives on for the next call.

namespace odeon {

enum class execution : std::uint8_t { thread, process };

struct compute_options {
  odeon::execution execution = odeon::execution::thread;
  /// How long the function may run, not counting the wait for a worker; zero: for ever. A process
  /// is ended then. A thread is not: there the limit, counted from the call on, ends the wait
  /// alone.
  duration limit{0};
};

/// Of a system's pools. Threads and processes start with the first need.
struct compute_settings {
  unsigned threads = 0;                             ///< 0: one per core
  unsigned processes = 0;                           ///< 0: one per core
  std::size_t queue = 1024;                         ///< calls that wait, for each kind; at least 1
  std::size_t max_frame = std::size_t{16} << 20U;   ///< bytes of a call's arguments, or its result
  duration start_limit = std::chrono::seconds(10);  ///< until a new process must have said hello
  duration grace = std::chrono::seconds(2);  ///< a process that is to end is asked, after so long
                                             ///< terminated, and after as long again killed
};

/// Before the first `compute` of that system. Throws `actor_error`: `name_taken` after it,
/// `invalid_argument` for a queue of none.
void configure_compute(actor_system& system, compute_settings settings);

/// A function that worker processes know by `name`, which is unique in the program. Make it a
/// constant of namespace scope, so that it is there in the worker too. Parameters are taken by
/// value or const reference; they and the result are types that `wire` encodes; a `result<T>` is a
/// T or its error. It is callable like the function.
template <auto Function>
class process_function {
  using call = detail::process_call<Function>;

 public:
  using result_type = typename call::value;

  explicit process_function(std::string_view name) noexcept {
    detail::add_process_function(entry(), name, &call::serve);
  }
  process_function(const process_function&) = delete;

  template <class... As>
  decltype(auto) operator()(As&&... as) const {
    return Function(std::forward<As>(as)...);
  }
  [[nodiscard]] std::string_view name() const noexcept { return entry().name; }

 private:
  static detail::process_entry& entry() noexcept {
    static constinit detail::process_entry instance;
    return instance;
  }
};

/// To be called first in `main`. In a worker process it serves calls until the program that started
/// it is done, or gone however, and does not return; there it has an empty standard input and a
/// process group of its own. Elsewhere it does nothing.
void serve_compute(int argc, char** argv);

/// Calls `f(args…)` on a thread of the system's pool; both are moved (or copied) there. The future
/// gives its value (for a `result<T>`: that of it) and fails with: its exception's error;
/// `errc::mailbox_full`, when the queue is full; `system_stopped`. Under a simulated runtime it
/// runs on the simulation's thread. @threadsafe
template <class F, class... As>
  requires std::invocable<F&, As&...>
auto compute(actor_system& system, compute_options options, F f, As... args) {
  using T = detail::work_value<std::invoke_result_t<F&, As&...>>;
  auto [to, out] = promise<T>::make(system.get_runtime());
  if (options.execution == execution::process) {
    to.fail({errc::invalid_argument,
             "a process runs functions that it knows by name: give a process_function"});
    return std::move(out);
  }
  detail::compute_on_thread(
      system, [p = std::move(to), f = std::move(f),
               args = std::tuple<As...>(std::move(args)...)](const error* refused) mutable {
        if (refused)
          p.fail(*refused);
        else
          detail::compute_into(p, [&]() -> decltype(auto) { return std::apply(f, args); });
      });
  if (options.limit > duration::zero()) return std::move(out).within(options.limit);
  return std::move(out);
}
template <class F, class... As>
  requires std::invocable<F&, As&...>
auto compute(actor_system& system, F f, As... args) {
  return compute(system, compute_options(), std::move(f), std::move(args)...);
}

/// The same for a function that processes know. In a process it fails, beyond the above, with:
/// `errc::limit_exceeded`, for arguments or a result larger than `max_frame`; `errc::ask_timeout`,
/// past its limit; `errc::killed`, when the process ended before it answered, however that was;
/// `errc::spawn_failed`, when no process can be started or it does not serve – the sentence says
/// why –; `errc::handler_failed`, with the text of an exception that was no `actor_error`. Under a
/// simulated runtime processes are refused with `errc::invalid_argument`.
template <auto Function, class... As>
auto compute(actor_system& system, compute_options options, const process_function<Function>& f,
             As&&... args) {
  using call = detail::process_call<Function>;
  if (options.execution == execution::thread)
    return compute(system, options,
                   [given = typename call::arguments(std::forward<As>(args)...)]() mutable {
                     return std::apply(Function, std::move(given));
                   });
  auto [to, out] = promise<typename call::value>::make(system.get_runtime());
  detail::compute_in_process(system, f.name(), options.limit, call::pack(std::forward<As>(args)...),
                             call::unpack(std::move(to)));
  return std::move(out);
}
template <auto Function, class... As>
auto compute(actor_system& system, const process_function<Function>& f, As&&... args) {
  return compute(system, compute_options(), f, std::forward<As>(args)...);
}

}  // namespace odeon
