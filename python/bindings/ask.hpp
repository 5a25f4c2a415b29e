#pragma once

#include "host.hpp"
#include "interp.hpp"
#include <odeon/core/detail/ask.hpp>
#include <odeon/task/future.hpp>

#include <memory>
#include <vector>

/// @file `Ask`: what Python awaits of Odeon. One value that comes later, with the protocol of
/// asyncio's futures; also waited for by blocking, without a loop.

namespace odeon::python {

/// The core's side of an `Ask`: told when its future has ended.
class ask_waiter final : public hosted_driver {
 public:
  ask_waiter(host& at, ask_object& owner) noexcept : hosted_driver(at), owner_(owner) {}
  void arrived(driver_node& node) noexcept override;
  void expect_late_node() noexcept override;

 private:
  ask_object& owner_;
};

struct ask_object {
  PyObject_HEAD enum class state : unsigned char { pending, done, cancelled };
  detail::future_state_base* core;  // with the consumer's reference; null once taken
  std::shared_ptr<host> at;         // null: no loop runs where it was made
  std::unique_ptr<ask_waiter> waiter;
  runtime* rt;
  interp* in;
  PyObject* value;
  PyObject* exception;
  PyObject* call;  // the first callback, and its context
  PyObject* context;
  PyObject* more;  // list of (callback, context)
  PyObject* weak;
  state now;
  bool blocking;
  bool registered;  // the core tells us
  bool late;        // a node of a cancelled one is on the way: it holds a reference
};

/// The core's state of asks of Python objects.
using py_ask_state = detail::ask_state<py_value>;

/// A new `Ask` of a state whose consumer's reference it takes. Null with an exception set.
[[nodiscard]] PyObject* new_ask(interp& in, runtime& rt, detail::future_state_base* state) noexcept;

/// The producing end of an `Ask` that is no message: for calls of modules that complete on threads
/// of their own. Move-only; dropped unset, it fails the `Ask` with `no_reply`. @threadsafe
class completion {
 public:
  completion() noexcept = default;
  explicit completion(detail::future_state_base* s) noexcept : state_(s) {}
  completion(completion&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
  completion& operator=(completion&& o) noexcept {
    std::swap(state_, o.state_);
    return *this;
  }
  ~completion() {
    if (state_) fail(errc::no_reply);
  }
  /// `make` runs where the `Ask` is awaited, attached: a new reference, or null with an exception.
  void set(py_value::maker make);
  void fail(error e) noexcept;

 private:
  detail::future_state_base* state_ = nullptr;
};
struct awaitable {
  PyObject* ask;  // a new reference; null with an exception set
  completion done;
};
[[nodiscard]] awaitable make_awaitable(interp& in, runtime& rt);

/// Blocks until it has ended, the interpreter let go meanwhile; signals are looked at. The value, a
/// new reference, or null with an exception set.
[[nodiscard]] PyObject* block_on(ask_object& a);

[[nodiscard]] bool add_ask_type(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
