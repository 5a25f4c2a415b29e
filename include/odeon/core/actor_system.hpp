#pragma once

#include <odeon/core/actor.hpp>
#include <odeon/core/behavior.hpp>
#include <odeon/core/diagnostics.hpp>
#include <odeon/core/event_stream.hpp>
#include <odeon/runtime/runtime.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file `actor_system`: where actors live.

namespace odeon {

/// A dispatcher of the user's own name, for `spawn_options::dispatcher`.
struct dispatcher_options {
  std::string name = {};
  executor_kind kind = executor_kind::work_stealing;
  unsigned threads = 0;  ///< as executor_options
};

/// An aggregate with defaults; `from(configuration)` reads the same from a file.
struct system_options {
  unsigned workers = 0;                              ///< of the default dispatcher; 0: one per core
  std::vector<dispatcher_options> dispatchers = {};  ///< further ones; "blocking" may be sized here
  duration ask_timeout = std::chrono::seconds(5);    ///< without `within`; zero: none
  duration slow_handler =
      std::chrono::seconds(1);  ///< when `odeon::slow_handler` is published; zero: never
  duration shutdown_limit =
      std::chrono::seconds(10);                      ///< for the destructor and `run_until_signal`
  odeon::runtime* runtime = nullptr;                 ///< not owned; null: a threaded one of its own
  std::shared_ptr<const configuration> config = {};  ///< what `actor_system::config` gives

  /// The keys of `core.*` and `dispatcher.<name>.*`, for `configuration::load`, which checks them.
  [[nodiscard]] static config_schema schema();
  /// What a configuration loaded with that schema says.
  [[nodiscard]] static system_options from(const configuration& config);
};

/// A set of actors, the threads they run on, and what belongs to them. Destroying it stops all
/// actors, then the threads. References may outlive it: what they are told then is lost.
/// @threadsafe
class actor_system {
 public:
  explicit actor_system(std::string name, system_options options = {});
  ~actor_system();
  actor_system(const actor_system&) = delete;
  actor_system& operator=(const actor_system&) = delete;

  [[nodiscard]] const std::string& name() const noexcept;

  // -- actors -------------------------------------------------------------------------------------

  /// A new actor of class `A`, constructed here and now from `args`, which are kept (copied) for
  /// restarts. Throws `actor_error`: name_taken, invalid_argument (a bad name or dispatcher),
  /// spawn_failed (its constructor threw: the text is that exception's), system_stopped. About 100
  /// ns for a small actor without options.
  template <class A, class... Args>
  auto spawn(Args&&... args) {
    return detail::spawn_with<A>(anchor(), nullptr, nullptr, std::forward<Args>(args)...);
  }
  template <class A, class... Args>
  auto spawn(spawn_options options, Args&&... args) {
    return detail::spawn_with<A>(anchor(), nullptr, &options, std::forward<Args>(args)...);
  }
  /// An actor made of a state and handlers.
  template <class S, class... Hs>
  auto spawn(behavior_of<S, Hs...> b, spawn_options options = {}) {
    return detail::spawn_behavior(anchor(), nullptr, std::move(b), &options);
  }

  /// The live actor of that name ("bank") or path ("/user/bank/account-17"); the empty reference
  /// when there is none.
  [[nodiscard]] any_ref lookup(std::string_view name_or_path) const;
  /// The same, typed; `errc::no_such_actor`, or `errc::wrong_type` when it does not accept all
  /// messages of `A`.
  template <class A>
  [[nodiscard]] auto lookup(std::string_view name_or_path) const
      -> result<typename detail::ref_of<A>::type> {
    any_ref found = lookup(name_or_path);
    if (!found) return fail(errc::no_such_actor, "no actor named " + std::string(name_or_path));
    auto typed = found.as<A>();
    if (!typed)
      return fail(errc::wrong_type, found.path() + " does not accept all messages asked for");
    return typed;
  }

  /// As `context::stop` and `kill`; return at once.
  void stop(const any_ref& ref);
  void kill(const any_ref& ref);

  // -- what goes on -------------------------------------------------------------------------------

  [[nodiscard]] event_stream& events() noexcept;
  /// The last 1,024, oldest first.
  [[nodiscard]] std::vector<dead_letter> dead_letters() const;
  [[nodiscard]] std::vector<late_reply> late_replies() const;
  [[nodiscard]] system_metrics metrics() const;
  /// Everything, for people and tools; costs time in the number of actors, and holds up nobody.
  [[nodiscard]] system_snapshot snapshot() const;
  /// The recent hops of all threads by time, oldest first; of one chain when `trace` is not 0.
  [[nodiscard]] std::vector<hop> recent_hops(std::uint64_t trace = 0) const;

  // -- ending -------------------------------------------------------------------------------------

  /// Work to be done at shutdown: before the actors are stopped, or after. Run in the order given,
  /// one at a time, within the limit.
  enum class phase { before_actors, after_actors };
  void on_shutdown(phase when, std::string name, std::function<void()> work);

  /// Starts the shutdown: (1) work before, (2) actors, children before parents, (3) work after. New
  /// spawns are refused from here on. Returns at once; idempotent.
  void terminate();
  /// Terminates and waits at most `limit`. The report says what took how long, and who held it up.
  /// Not from an actor.
  shutdown_report terminate_and_wait(duration limit);
  /// Ends with the last phase; may be asked for many times.
  [[nodiscard]] future<shutdown_report> when_terminated();
  [[nodiscard]] bool is_terminating() const noexcept;
  /// Waits for SIGTERM or SIGINT (or until somebody else terminated it), then terminates within the
  /// configured limit. A second signal gives up waiting. The signals' handlers are its own until it
  /// returns.
  shutdown_report run_until_signal();

  // -- for modules built on core ------------------------------------------------------------------

  /// A dispatcher made elsewhere, for `spawn_options::dispatcher` from here on. The system shares
  /// it until no actor runs any more: it must run what it is given until the last actor has ended.
  /// Throws `errc::name_taken`.
  void add_dispatcher(std::string name, std::shared_ptr<executor> where);

  /// One object of type `T` for each system, for modules that keep something there (a journal, a
  /// cluster node). It lives until after the last actor has ended. `add` of a type that is there
  /// already throws `errc::name_taken`.
  template <class T>
  void add_extension(std::shared_ptr<T> extension) {
    add_extension(&detail::message_type_of<extension_key<T>>, std::move(extension));
  }
  template <class T>
  [[nodiscard]] std::shared_ptr<T> find_extension() const {
    return std::static_pointer_cast<T>(find_extension(&detail::message_type_of<extension_key<T>>));
  }
  /// What the options were read from (`system_options::from`), with the keys of whoever else
  /// declared some; without that, one that has no keys. Lives as long as the system.
  [[nodiscard]] const configuration& config() const noexcept;
  /// The executor of the default dispatcher.
  [[nodiscard]] executor& scheduler() noexcept;
  [[nodiscard]] odeon::runtime& get_runtime() noexcept;
  [[nodiscard]] detail::system_anchor& anchor() const noexcept;
  /// The system of an anchor that is alive.
  [[nodiscard]] static actor_system& of(detail::system_anchor& anchor) noexcept;

 private:
  template <class T>
  struct extension_key {};
  void add_extension(const void* key, std::shared_ptr<void> extension);
  [[nodiscard]] std::shared_ptr<void> find_extension(const void* key) const;

  std::unique_ptr<detail::system_core> core_;
};

}  // namespace odeon
