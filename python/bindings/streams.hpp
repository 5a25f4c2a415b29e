#pragma once

#include "ask.hpp"
#include "failure.hpp"
#include "interp.hpp"
#include <odeon/stream/detail/channel.hpp>
#include <odeon/stream/flow/detached.hpp>
#include <odeon/stream/pipe.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file Streams of Python objects: the stages of C++, each instantiated once
/// over an erased stage before it, and put together at run time.
///
/// `odeon.streams` describes a stream as a tuple of operations, each a tuple of
/// a name and its arguments; `plan` makes stages of them. All islands of such a
/// stream run on a host of Python, so that callbacks are called attached, in
/// the host's drain.

namespace odeon::python {

namespace st = odeon::stream;

/// An element: a reference. Copied on attached threads only, let go on any.
class item {
 public:
  item(interp& home, PyObject* stolen) noexcept : object_(stolen), home_(&home) {}
  item(const item& o) noexcept : object_(Py_XNewRef(o.object_)), home_(o.home_) {}
  item(item&& o) noexcept : object_(std::exchange(o.object_, nullptr)), home_(o.home_) {}
  item& operator=(item o) noexcept {
    std::swap(object_, o.object_);
    std::swap(home_, o.home_);
    return *this;
  }
  ~item() {
    if (PyObject* o = std::exchange(object_, nullptr)) py_handle::give_up(*home_, o);
  }
  [[nodiscard]] static item share(interp& home, PyObject* borrowed) noexcept {
    return {home, Py_NewRef(borrowed)};
  }
  [[nodiscard]] interp& home() const noexcept { return *home_; }
  /// Borrowed.
  [[nodiscard]] PyObject* get() const noexcept { return object_; }
  /// A new reference; leaves it empty.
  [[nodiscard]] PyObject* take() noexcept { return std::exchange(object_, nullptr); }

 private:
  PyObject* object_;
  interp* home_;
};

/// Throws the exception that is set as a `python_error`.
[[noreturn]] void throw_python(interp& in);
/// `o`, a new reference, as an item; null: throws the exception that is set.
[[nodiscard]] inline item checked(interp& in, PyObject* o) {
  if (!o) throw_python(in);
  return {in, o};
}

/// A callable of Python as a function of elements. Throws `python_error`.
class callback {
 public:
  callback(interp& in, PyObject* borrowed) noexcept : call_(item::share(in, borrowed)) {}
  item operator()() const { return checked(home(), PyObject_CallNoArgs(call_.get())); }
  item operator()(const item& a) const {
    return checked(home(), PyObject_CallOneArg(call_.get(), a.get()));
  }
  item operator()(const item& a, const item& b) const {
    PyObject* both[] = {nullptr, a.get(), b.get()};
    constexpr std::size_t n = 2 | PY_VECTORCALL_ARGUMENTS_OFFSET;
    return checked(home(), PyObject_Vectorcall(call_.get(), both + 1, n, nullptr));
  }
  [[nodiscard]] interp& home() const noexcept { return call_.home(); }

 private:
  item call_;
};

/// The same as a predicate.
struct test {
  callback call;
  bool operator()(const item& a) const { return truth(call(a)); }
  bool operator()(const item& a, const item& b) const { return truth(call(a, b)); }

 private:
  [[nodiscard]] bool truth(const item& answer) const {
    const int yes = PyObject_IsTrue(answer.get());
    if (yes < 0) throw_python(call.home());
    return yes != 0;
  }
};

/// A group of elements as a list.
struct to_list {
  interp* in;
  item operator()(std::vector<item>&& all) const {
    item list = checked(*in, PyList_New(static_cast<Py_ssize_t>(all.size())));
    for (std::size_t i = 0; i < all.size(); ++i)
      PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), all[i].take());
    return list;
  }
};

/// Asked by sources before each element. False: others of the loop, or of the island's thread, are
/// to have their turn; the stage answers `pending`, and the island is woken after that.
[[nodiscard]] bool goes_on(st::island& in);
[[nodiscard]] inline bool spend(st::island& in) { return in.spend() && goes_on(in); }

class stage_base {
 public:
  virtual ~stage_base() = default;
  virtual st::polled<item> next(st::island& in) = 0;
  virtual void drive(st::island& in) = 0;
};

/// Any stage that gives elements.
class erased {
 public:
  using value_type = item;
  explicit erased(std::unique_ptr<stage_base> s) noexcept : stage_(std::move(s)) {}
  st::polled<item> next(st::island& in) { return stage_->next(in); }
  void drive(st::island& in) { stage_->drive(in); }

 private:
  std::unique_ptr<stage_base> stage_;
};

template <class S>
class stage_of final : public stage_base {
 public:
  template <class... As>
  explicit stage_of(As&&... as) : stage_(std::forward<As>(as)...) {}
  st::polled<item> next(st::island& in) override { return stage_.next(in); }
  void drive(st::island& in) override { stage_.drive(in); }

 private:
  S stage_;
};
template <class S, class... As>
[[nodiscard]] erased make_stage(As&&... as) {
  return erased(std::make_unique<stage_of<S>>(std::forward<As>(as)...));
}

/// A stage before which others have their turn: what reads from channels and connections.
template <class S>
class paced {
 public:
  using value_type = typename S::value_type;
  explicit paced(S s) : stage_(std::move(s)) {}
  st::polled<value_type> next(st::island& in) {
    if (!goes_on(in)) return st::pending;
    return stage_.next(in);
  }
  void drive(st::island& in) { stage_.drive(in); }

 private:
  S stage_;
};
/// The reading end of a channel.
class channel_reader : public paced<st::detail::channel_reader<item>> {
 public:
  explicit channel_reader(std::shared_ptr<st::detail::channel<item>> c)
      : paced(st::detail::channel_reader<item>(std::move(c))) {}
};

/// What all plans of one run share.
struct stream_things {
  item work;               // called with (awaitable, done): runs it in the host's loop
  std::string dispatcher;  // of all islands: a host of Python
  item cancel;             // the switch that stands before each sink
};

/// What is being built: one run, or a source inside one.
struct plan {
  interp& in;
  st::materializer& m;
  std::shared_ptr<const stream_things> things;
  PyObject* values;  // a list that materialised values are put in; null: they
                     // are dropped
  std::vector<std::optional<erased>>* inlets = nullptr;  // of the node of a graph that is built

  /// An island; on the host of the run.
  void add(std::unique_ptr<st::island_body> body) const {
    m.add(std::move(body), things->dispatcher);
  }
  /// Takes the reference; null: throws what is set.
  void materialize(PyObject* value) const;
};

/// The arguments of an operation. All throw `python_error` when something else
/// stands there.
class op_args {
 public:
  op_args(interp& in, PyObject* op) noexcept : in_(in), op_(op) {}
  [[nodiscard]] PyObject* at(Py_ssize_t i) const;  ///< borrowed; from 0
  [[nodiscard]] item object(Py_ssize_t i) const { return item::share(in_, at(i)); }
  [[nodiscard]] callback call(Py_ssize_t i) const { return {in_, at(i)}; }
  [[nodiscard]] std::size_t size(Py_ssize_t i) const;
  [[nodiscard]] duration seconds(Py_ssize_t i) const;
  [[nodiscard]] std::string text(Py_ssize_t i) const;
  [[nodiscard]] double number(Py_ssize_t i) const;
  /// The arguments that are tuples of operations, from `i` on.
  [[nodiscard]] std::vector<PyObject*> rest(Py_ssize_t i) const;

 private:
  interp& in_;
  PyObject* op_;
};

/// The number that a callback gives for an element.
struct number_of {
  callback call;
  std::size_t operator()(const item& e) const {
    const item answer = call(e);
    const std::size_t n = PyLong_AsSize_t(answer.get());
    if (n == static_cast<std::size_t>(-1) && PyErr_Occurred()) throw_python(call.home());
    return n;
  }
};

/// What a full buffer or queue does, by its name. Throws `python_error`.
[[nodiscard]] st::on_full read_on_full(interp& in, const std::string& text);

// -- operations by name --------------------------------------------------------------------------

struct source_op {
  std::string_view name;
  erased (*make)(plan& p, const op_args& args);
};
struct flow_op {
  std::string_view name;
  erased (*make)(plan& p, erased up, const op_args& args);
  bool one_for_one = false;  // what goes in comes out: such cycles of graphs are counted
};
struct sink_op {
  std::string_view name;
  PyObject* (*attach)(plan& p, erased up,
                      const op_args& args);  // its result: a new reference
};
[[nodiscard]] std::span<const source_op> basic_sources();   // streams_sources.cpp
[[nodiscard]] std::span<const source_op> queue_sources();   // streams_queues.cpp
[[nodiscard]] std::span<const source_op> hub_sources();     // streams_hubs.cpp
[[nodiscard]] std::span<const source_op> nested_sources();  // streams_nested.cpp
[[nodiscard]] std::span<const source_op> part_sources();    // streams_parts.cpp
[[nodiscard]] std::span<const source_op> byte_sources();    // streams_bytes.cpp
[[nodiscard]] std::span<const source_op> tcp_sources();     // streams_tcp.cpp
[[nodiscard]] std::span<const source_op> graph_sources();   // streams_graph.cpp
[[nodiscard]] std::span<const flow_op> basic_flows();       // streams_flows.cpp
[[nodiscard]] std::span<const flow_op> timed_flows();       // streams_timed.cpp
[[nodiscard]] std::span<const flow_op> async_flows();       // streams_async.cpp
[[nodiscard]] std::span<const flow_op> combining_flows();   // streams_combine.cpp
[[nodiscard]] std::span<const flow_op> nested_flows();      // streams_nested.cpp
[[nodiscard]] std::span<const flow_op> control_flows();     // streams_control.cpp
[[nodiscard]] std::span<const flow_op> part_flows();        // streams_parts.cpp
[[nodiscard]] std::span<const flow_op> byte_flows();        // streams_bytes.cpp
[[nodiscard]] std::span<const flow_op> tcp_flows();         // streams_tcp.cpp
[[nodiscard]] std::span<const sink_op> basic_sinks();       // streams_sinks.cpp
[[nodiscard]] std::span<const sink_op> queue_sinks();       // streams_pulls.cpp
[[nodiscard]] std::span<const sink_op> hub_sinks();         // streams_hubs.cpp
[[nodiscard]] std::span<const sink_op> combining_sinks();   // streams_combine.cpp
[[nodiscard]] std::span<const sink_op> byte_sinks();        // streams_bytes.cpp
[[nodiscard]] std::span<const sink_op> tcp_sinks();         // streams_tcp.cpp

/// A source of a tuple of operations, the first of which is a source's.
[[nodiscard]] erased build_source(plan& p, PyObject* ops);
/// A flow of such a tuple, behind `up`.
[[nodiscard]] erased build_flow(plan& p, erased up, PyObject* ops);
/// A sink: the last operation is a sink's. Gives its result, a new reference.
[[nodiscard]] PyObject* build_sink(plan& p, erased up, PyObject* ops);
/// A new exception like `e`, without the frames that it went through; where that cannot be copied,
/// it itself. streams_control.cpp
[[nodiscard]] item copy_of(interp& in, PyObject* e);
/// Behind it the run is cancelled. streams_control.cpp
[[nodiscard]] erased cancelled_with(plan& p, erased up);
/// Whether each of these flows gives one element for each that it takes.
[[nodiscard]] bool is_one_for_one(interp& in, PyObject* ops);

/// Who runs a stream: `actor_system` or, on its actor's turn, a `Context`; and the dispatcher
/// (null: its own). Throws `python_error` for anything else, and for a dispatcher that is no host.
struct runner {
  runner(interp& in, PyObject* who, PyObject* dispatcher, PyObject* name);
  actor_system* system;
  context* parent = nullptr;
  st::run_options options;
};

/// A source for stages that make one while they run.
struct made_source {
  using stream_source = void;
  using built_type = st::built<erased>;
  std::shared_ptr<const stream_things> things;
  item ops;
  built_type build(st::materializer& m) && {
    plan p{ops.home(), m, std::move(things), nullptr};
    return {build_source(p, ops.get()), {}};
  }
};

// -- handles -------------------------------------------------------------------------------------

/// What Python holds of a running stream, in a capsule.
class stream_handle {
 public:
  virtual ~stream_handle() = default;
  /// Which class of `odeon.streams` stands for it.
  [[nodiscard]] virtual const char* kind() const noexcept = 0;
};
[[nodiscard]] PyObject* new_handle(std::shared_ptr<stream_handle> h);
/// Null with TypeError set.
[[nodiscard]] std::shared_ptr<stream_handle> handle_in(PyObject* capsule) noexcept;
template <class H>
[[nodiscard]] std::shared_ptr<H> handle_as(PyObject* capsule) noexcept {
  auto any = handle_in(capsule);
  if (!any) return nullptr;
  auto h = std::dynamic_pointer_cast<H>(std::move(any));
  if (!h) PyErr_SetString(PyExc_TypeError, "a handle of another kind");
  return h;
}
/// The functions of queues and switches.
[[nodiscard]] PyMethodDef* queue_functions() noexcept;
[[nodiscard]] PyMethodDef* pull_functions() noexcept;
[[nodiscard]] PyMethodDef* hub_functions() noexcept;
[[nodiscard]] PyMethodDef* control_functions() noexcept;
[[nodiscard]] PyMethodDef* graph_functions() noexcept;
[[nodiscard]] PyMethodDef* tcp_functions() noexcept;

/// Ends an `Ask` with that exception.
void fail_with(completion& done, const std::exception_ptr& why);
/// Adds `stream_run` and the functions of handles.
[[nodiscard]] bool add_stream_functions(PyObject* module);

}  // namespace odeon::python
