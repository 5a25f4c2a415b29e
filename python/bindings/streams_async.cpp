/// @file Flows of streams whose work takes its time, boundaries between
/// islands, and what happens when a stage fails.

#include "streams.hpp"
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/recover.hpp>

namespace odeon::python {

namespace {

namespace d = st::detail;

// -- work ----------------------------------------------------------------------------------------

struct work_end {
  item value;  // or the exception
  bool failed;
};

/// What the function `done` of Python completes.
struct work_done {
  interp& in;
  promise<work_end> end;
};
constexpr const char* done_name = "odeon.stream_done";

void free_done(PyObject* capsule) {
  const entry in_layer;
  delete static_cast<work_done*>(PyCapsule_GetPointer(capsule, done_name));
}

/// done(value, exception): the end of what was awaited; the second call is
/// nothing.
PyObject* done(PyObject* capsule, PyObject* const* args, Py_ssize_t n) {
  const entry in_layer;
  auto* work = static_cast<work_done*>(PyCapsule_GetPointer(capsule, done_name));
  if (!work) return nullptr;
  if (n != 2) {
    PyErr_SetString(PyExc_TypeError, "done takes a value and an exception");
    return nullptr;
  }
  return guarded(work->in, [&]() -> PyObject* {
    const bool failed = args[1] != Py_None;
    if (work->end) work->end.set(work_end{item::share(work->in, args[failed ? 1 : 0]), failed});
    Py_RETURN_NONE;
  });
}
PyMethodDef done_def = {"done", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&done)),
                        METH_FASTCALL, nullptr};

/// Cancels what runs in the loop when nobody wants it any more.
class running_work {
 public:
  explicit running_work(item task) noexcept : task_(std::move(task)) {}
  running_work(running_work&&) noexcept = default;
  running_work& operator=(running_work&&) = delete;
  ~running_work() {
    if (!task_.get() || !is_attached(task_.home())) return;
    const owned r(PyObject_CallMethodNoArgs(task_.get(), task_.home().name.cancel));
    if (!r) PyErr_WriteUnraisable(task_.get());
  }
  void ended() noexcept { task_ = item(task_.home(), nullptr); }

 private:
  item task_;
};

task<item> outcome_of(future<work_end> f, running_work running) {
  work_end e = co_await std::move(f);
  running.ended();
  if (!e.failed) co_return std::move(e.value);
  interp& in = e.value.home();
  set_exception(e.value.take());
  throw_python(in);
}
task<item> at_hand(item value) { co_return value; }

bool is_awaitable(PyObject* o) noexcept {
  if (PyCoro_CheckExact(o)) return true;
  const PyAsyncMethods* as_async = Py_TYPE(o)->tp_as_async;
  return as_async && as_async->am_await;
}

/// `call(element)` gives a value, or what is awaited for one.
struct work_function {
  callback call;
  std::shared_ptr<const stream_things> things;
  runtime* rt;

  task<item> operator()(const item& element) const {
    item given = call(element);
    if (!is_awaitable(given.get())) return at_hand(std::move(given));
    interp& in = call.home();
    auto [end, f] = promise<work_end>::make(*rt);
    auto work = std::make_unique<work_done>(in, std::move(end));
    const item capsule = checked(in, PyCapsule_New(work.get(), done_name, &free_done));
    static_cast<void>(work.release());
    const item tell = checked(in, PyCFunction_New(&done_def, capsule.get()));
    PyObject* both[] = {nullptr, given.get(), tell.get()};
    constexpr std::size_t n = 2 | PY_VECTORCALL_ARGUMENTS_OFFSET;
    item running = checked(in, PyObject_Vectorcall(things->work.get(), both + 1, n, nullptr));
    return outcome_of(std::move(f), running_work(std::move(running)));
  }
};

// -- failures ------------------------------------------------------------------------------------

/// A callback of an exception.
struct on_failure {
  callback call;
  item operator()(const std::exception_ptr& why) const {
    return call(checked(call.home(), exception_of(call.home(), why)));
  }
};

struct other_failure {
  on_failure call;
  std::exception_ptr operator()(const std::exception_ptr& why) const {
    interp& in = call.call.home();
    item made = call(why);
    if (!PyExceptionInstance_Check(made.get())) {
      PyErr_Format(PyExc_TypeError, "the function of map_error returns an exception, not %.200s",
                   Py_TYPE(made.get())->tp_name);
      throw_python(in);
    }
    set_exception(made.take());
    return std::make_exception_ptr(python_error(in));
  }
};

struct other_source {
  on_failure call;
  std::shared_ptr<const stream_things> things;
  made_source operator()(const std::exception_ptr& why) const { return {things, call(why)}; }
};

st::stream_decider decider_of(interp& in, PyObject* options) {
  odeon::supervision s;
  if (!read_supervision(in, options, s)) throw_python(in);
  return [by_type = std::move(s.decider), otherwise = s.otherwise](const std::exception_ptr& e) {
    for (const auto& each : by_type)
      if (each.fits(e)) return each.what;
    return otherwise;
  };
}

constexpr flow_op table[] = {
    {"map_async",  // parallelism, function
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::map_async_stage<erased, std::size_t, work_function>>(
           std::move(up), a.size(0), work_function{a.call(1), p.things, &p.m.get_runtime()});
     },
     true},
    {"map_async_unordered",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::map_async_unordered_stage<erased, std::size_t, work_function>>(
           std::move(up), a.size(0), work_function{a.call(1), p.things, &p.m.get_runtime()});
     },
     true},
    {"async",  // capacity
     [](plan& p, erased up, const op_args& a) {
       auto between = std::make_shared<d::channel<item>>(a.size(0));
       p.add(std::make_unique<d::channel_body<erased>>(std::move(up), between));
       return make_stage<channel_reader>(std::move(between));
     },
     true},
    {"supervised",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::supervised_stage<erased>>(std::move(up), decider_of(p.in, a.at(0)));
     }},
    {"recover",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::recover_stage<erased, on_failure>>(std::move(up),
                                                               on_failure{a.call(0)});
     }},
    {"recover_with_retries",  // retries, function
     [](plan& p, erased up, const op_args& a) {
       return make_stage<d::recover_with_stage<erased, std::size_t, other_source>>(
           std::move(up), a.size(0), other_source{{a.call(1)}, p.things});
     }},
    {"map_error",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::map_error_stage<erased, other_failure>>(std::move(up),
                                                                    other_failure{{a.call(0)}});
     }},
};

}  // namespace

std::span<const flow_op> async_flows() { return table; }

}  // namespace odeon::python
