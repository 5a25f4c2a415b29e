/// @file Ending streams from outside, and hearing how they end.

#include "streams.hpp"
#include <odeon/stream/kill_switch.hpp>

#include <atomic>

namespace odeon::python {

item copy_of(interp& in, PyObject* e) {
  const owned copy(PyImport_ImportModule("copy"));
  PyObject* made = copy ? PyObject_CallMethod(copy.get(), "copy", "O", e) : nullptr;
  if (made && PyExceptionInstance_Check(made)) return {in, made};
  Py_XDECREF(made);
  PyErr_Clear();
  return item::share(in, e);
}

namespace {

namespace d = st::detail;

/// A switch, and the very exception it was aborted with. `why` is written before the switch is
/// used, and read by stages that have seen it used; the first use counts.
///
/// An exception that is raised holds the frames that it went through, and those may hold the
/// switch. Python's collector does not see through a capsule, so the switch lets the exception go
/// with the last stage that was there when it was used. Stages that come later raise copies of one
/// that was never raised.
struct kill_handle final : stream_handle {
  [[nodiscard]] const char* kind() const noexcept override { return "kill_switch"; }
  void left() noexcept {
    if (stages.fetch_sub(1) == 1 && used) why = nullptr;
  }
  std::exception_ptr why;
  std::optional<item> spare;
  bool used = false;  // by attached threads
  std::atomic<std::size_t> stages{0};
  std::shared_ptr<d::kill_state> state;
};

class kill_stage {
 public:
  using value_type = item;
  kill_stage(erased up, std::shared_ptr<kill_handle> h)
      : up_(std::move(up)),
        handle_(std::move(h)),
        was_there_(!handle_->used),
        watch_(handle_->state) {
    if (was_there_) ++handle_->stages;
  }
  kill_stage(kill_stage&&) noexcept = default;
  ~kill_stage() {
    up_.reset();
    if (handle_ && was_there_) handle_->left();
  }
  st::polled<item> next(st::island& in) {
    bool is_over = false;
    try {
      is_over = watch_.check(in);
    } catch (...) {
      up_.reset();
      if (was_there_ && handle_->why) std::rethrow_exception(handle_->why);
      if (!handle_->spare) throw;
      interp& home = handle_->spare->home();
      set_exception(copy_of(home, handle_->spare->get()).take());
      throw_python(home);
    }
    if (!is_over) return up_->next(in);
    up_.reset();
    return st::ended;
  }
  void drive(st::island& in) {
    if (up_) up_->drive(in);
  }

 private:
  std::optional<erased> up_;
  std::shared_ptr<kill_handle> handle_;
  bool was_there_;
  d::kill_watch watch_;
};

std::shared_ptr<kill_handle> new_switch() {
  auto h = std::make_shared<kill_handle>();
  h->state = d::make_kill_state();
  return h;
}

/// How the stream ends at this place: an `Ask` of "completed" or "cancelled",
/// or its failure.
class watch_stage {
 public:
  using value_type = item;
  watch_stage(erased up, completion c) : up_(std::move(up)), end_(std::move(c)) {}
  watch_stage(watch_stage&& o) noexcept
      : up_(std::move(o.up_)),
        end_(std::move(o.end_)),
        told_(std::exchange(o.told_, true)),
        thrown_(std::move(o.thrown_)) {}
  ~watch_stage() {
    if (told_) return;
    if (thrown_)
      fail_with(end_, thrown_);
    else
      tell("cancelled");
  }
  st::polled<item> next(st::island& in) {
    thrown_ = nullptr;
    try {
      auto p = up_.next(in);
      if (p.has_ended() && !told_) tell("completed");
      return p;
    } catch (...) {
      failed(in);
      throw;
    }
  }
  void drive(st::island& in) {
    try {
      up_.drive(in);
    } catch (...) {
      failed(in);
      throw;
    }
  }

 private:
  void tell(const char* how) {
    told_ = true;
    end_.set([how](interp&) { return PyUnicode_FromString(how); });
  }
  void failed(st::island& in) {
    // What `supervised` goes on from is no end.
    if (in.has_thrown()) {
      thrown_ = std::current_exception();
    } else if (!told_) {
      told_ = true;
      fail_with(end_, std::current_exception());
    }
  }
  erased up_;
  completion end_;
  bool told_ = false;
  std::exception_ptr thrown_;
};

constexpr flow_op table[] = {
    {"kill_switch",
     [](plan& p, erased up, const op_args&) {
       auto h = new_switch();
       p.materialize(new_handle(h));
       return make_stage<kill_stage>(std::move(up), std::move(h));
     },
     true},
    {"killed_by",
     [](plan& p, erased up, const op_args& a) {
       auto h = handle_as<kill_handle>(a.at(0));
       if (!h) throw_python(p.in);
       return make_stage<kill_stage>(std::move(up), std::move(h));
     },
     true},
    {"watch_termination",
     [](plan& p, erased up, const op_args&) {
       auto [ask, done] = make_awaitable(p.in, p.m.get_runtime());
       p.materialize(ask);
       return make_stage<watch_stage>(std::move(up), std::move(done));
     },
     true},
};

PyObject* stream_kill_switch(PyObject* module, PyObject*) {
  const entry in_layer;
  return guarded(interp_of_module(module), [] { return new_handle(new_switch()); });
}

/// stream_kill(handle, exception or None): completes the streams there, or
/// fails them.
PyObject* stream_kill(PyObject* module, PyObject* args) {
  const entry in_layer;
  PyObject* capsule = nullptr;
  PyObject* exception = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &capsule, &exception)) return nullptr;
  const auto h = handle_as<kill_handle>(capsule);
  if (!h) return nullptr;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    if (h->used) Py_RETURN_NONE;
    if (exception == Py_None) {
      h->used = true;
      d::kill(*h->state, std::nullopt);
      Py_RETURN_NONE;
    }
    h->spare = copy_of(in, exception);
    set_exception(Py_NewRef(exception));
    const python_error e(in);
    if (h->stages != 0) h->why = std::make_exception_ptr(e);
    h->used = true;
    d::kill(*h->state, error(errc::cancelled, e.what()));
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {
    {"stream_kill_switch", &stream_kill_switch, METH_NOARGS, nullptr},
    {"stream_kill", &stream_kill, METH_VARARGS, nullptr},
    {},
};

}  // namespace

erased cancelled_with(plan& p, erased up) {
  auto h = handle_as<kill_handle>(p.things->cancel.get());
  if (!h) throw_python(p.in);
  return make_stage<kill_stage>(std::move(up), std::move(h));
}
std::span<const flow_op> control_flows() { return table; }
PyMethodDef* control_functions() noexcept { return functions; }

}  // namespace odeon::python
