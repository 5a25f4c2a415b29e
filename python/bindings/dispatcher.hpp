#pragma once

#include "encoded.hpp"
#include "host.hpp"
#include <odeon/core/actor_system.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

/// @file Dispatchers of several hosts: where `spawn(dispatcher="name")` puts an actor.

namespace odeon::python {

/// What a named dispatcher allows; 0: any number. Of the whole pool.
struct pool_quota {
  std::size_t max_actors = 0;
  std::size_t max_mailbox_total = 0;        ///< messages from elsewhere that wait or are handled
  std::size_t memory_soft_limit_bytes = 0;  ///< resident memory of the process, looked at by spawn
};

/// A dispatcher that chooses where an actor runs. Added to a system before its actors, and never
/// taken away. @threadsafe
class python_dispatcher {
 public:
  virtual ~python_dispatcher() = default;
  /// A new `ActorRef`, or null with an exception set; `args` and `kwargs` as the constructor takes
  /// them (`kwargs` may be null). Attached to `in`, any interpreter of the process. May throw what
  /// `spawn_cell` does.
  virtual PyObject* spawn(interp& in, actor_system& system, detail::cell* parent, PyObject* cls,
                          PyObject* args, PyObject* kwargs, spawn_options& options) = 0;
};

/// Several hosts of one or more interpreters; an actor goes to the one with the fewest.
class host_pool final : public python_dispatcher {
 public:
  host_pool(std::string name, pool_quota quota);
  PyObject* spawn(interp& in, actor_system& system, detail::cell* parent, PyObject* cls,
                  PyObject* args, PyObject* kwargs, spawn_options& options) override;
  /// A further host, which outlives the actors of the system.
  void add(std::shared_ptr<host> h);
  [[nodiscard]] std::shared_ptr<host> last() const;
  /// A list of dicts, one for each host; null with an exception set. Attached.
  [[nodiscard]] PyObject* metrics() const;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  struct place;
  struct lists;
  /// The right to one actor on it, or null with QuotaExceeded set.
  [[nodiscard]] std::shared_ptr<place> choose(interp& in);

  const std::string name_;
  const pool_quota quota_;
  std::shared_ptr<waiting_count> waiting_;
  std::shared_ptr<lists> lists_;
};

/// Spawns what a function of Python makes of the class and its arguments: an actor of `home`, at
/// `at`, which stands for one elsewhere.
class stand_in_dispatcher final : public python_dispatcher {
 public:
  /// `make(cls, args, kwargs)` gives the three anew.
  stand_in_dispatcher(std::string name, py_handle make, std::shared_ptr<host> at)
      : name_(std::move(name)),
        make_(std::move(make)),
        at_(std::move(at)) {}
  PyObject* spawn(interp& in, actor_system& system, detail::cell* parent, PyObject* cls,
                  PyObject* args, PyObject* kwargs, spawn_options& options) override;

 private:
  const std::string name_;
  const py_handle make_;
  const std::shared_ptr<host> at_;
};

/// Spawns on a host of another interpreter: class by name, arguments encoded. As `spawn`; `place`
/// is kept for as long as the actor lives.
[[nodiscard]] PyObject* spawn_remote(interp& in, actor_system& system, detail::cell* parent,
                                     PyObject* cls, PyObject* args, PyObject* kwargs,
                                     std::shared_ptr<host> at, spawn_options& options,
                                     std::shared_ptr<class actor_place> place);

/// Adds the type `HostPool` and `_run_interpreter`, `_join_pool`. In subinterpreters.cpp.
[[nodiscard]] bool add_dispatcher_types(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
