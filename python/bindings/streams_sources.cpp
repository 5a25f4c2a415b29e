/// @file Sources of streams that have what they give.

#include "streams.hpp"
#include <odeon/stream/flow/timed.hpp>

namespace odeon::python {

namespace {

class iterator_stage : public st::detail::leaf {
 public:
  using value_type = item;
  explicit iterator_stage(item it) : it_(std::move(it)) {}
  st::polled<item> next(st::island& in) {
    if (!spend(in)) return st::pending;
    interp& home = it_.home();
    if (PyObject* o = PyIter_Next(it_.get())) return item(home, o);
    if (PyErr_Occurred()) throw_python(home);
    return st::ended;
  }

 private:
  item it_;
};

class repeat_stage : public st::detail::leaf {
 public:
  using value_type = item;
  explicit repeat_stage(item value) : value_(std::move(value)) {}
  st::polled<item> next(st::island& in) {
    if (!spend(in)) return st::pending;
    return value_;
  }

 private:
  item value_;
};

/// `call(state)` gives None, the end, or (next state, element).
class unfold_stage : public st::detail::leaf {
 public:
  using value_type = item;
  unfold_stage(item state, callback call) : state_(std::move(state)), call_(std::move(call)) {}
  st::polled<item> next(st::island& in) {
    if (!spend(in)) return st::pending;
    const item step = st::call_user(in, *this, [&] { return call_(state_); });
    if (step.get() == Py_None) return st::ended;
    if (!PyTuple_Check(step.get()) || PyTuple_GET_SIZE(step.get()) != 2) {
      PyErr_Format(PyExc_TypeError,
                   "the function of unfold returns None or (next state, "
                   "element), not %.200s",
                   Py_TYPE(step.get())->tp_name);
      throw_python(call_.home());
    }
    state_ = item::share(call_.home(), PyTuple_GET_ITEM(step.get(), 0));
    return item::share(call_.home(), PyTuple_GET_ITEM(step.get(), 1));
  }

 private:
  item state_;
  callback call_;
};

std::exception_ptr exception_from(interp& in, PyObject* exception) {
  if (!PyExceptionInstance_Check(exception)) {
    PyErr_Format(PyExc_TypeError, "a source fails with an exception, not with %.200s",
                 Py_TYPE(exception)->tp_name);
    throw_python(in);
  }
  set_exception(Py_NewRef(exception));
  return std::make_exception_ptr(python_error(in));
}

constexpr source_op table[] = {
    {"iterable",
     [](plan& p, const op_args& a) {
       return make_stage<iterator_stage>(checked(p.in, PyObject_GetIter(a.at(0))));
     }},
    {"repeat", [](plan&, const op_args& a) { return make_stage<repeat_stage>(a.object(0)); }},
    {"never", [](plan&, const op_args&) { return make_stage<st::detail::never_stage<item>>(); }},
    {"failed",
     [](plan& p, const op_args& a) {
       return make_stage<st::detail::failed_stage<item>>(exception_from(p.in, a.at(0)));
     }},
    {"unfold",
     [](plan&, const op_args& a) { return make_stage<unfold_stage>(a.object(0), a.call(1)); }},
    {"tick",  // initial, interval, value
     [](plan&, const op_args& a) {
       return make_stage<st::detail::tick_stage<item>>(a.seconds(0), a.seconds(1), a.object(2));
     }},
};

}  // namespace

std::span<const source_op> basic_sources() { return table; }

}  // namespace odeon::python
