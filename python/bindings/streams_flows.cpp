/// @file Flows of streams that look at one element at a time, and those that
/// remember.

#include "streams.hpp"
#include <odeon/stream/flow/stateful.hpp>

namespace odeon::python {

namespace {

namespace d = st::detail;

template <class Stage>
using listed = d::map_stage<Stage, to_list>;

/// `call(element)` gives an iterable: its elements.
class map_concat_stage : public d::linear<erased> {
 public:
  using value_type = item;
  map_concat_stage(erased up, callback call)
      : d::linear<erased>(std::move(up)),
        call_(std::move(call)),
        part_(call_.home(), nullptr) {}
  st::polled<item> next(st::island& in) {
    interp& home = call_.home();
    for (;;) {
      while (part_.get()) {
        if (!spend(in)) return st::pending;
        PyObject* o = st::call_user(in, *this, [&] {
          PyObject* next = PyIter_Next(part_.get());
          if (!next) part_ = item(home, nullptr);  // also when it failed: it gives no more
          if (!next && PyErr_Occurred()) throw_python(home);
          return next;
        });
        if (o) return item(home, o);
      }
      auto p = up_.next(in);
      if (!p) return p;
      st::call_user(in, *this, [&] { part_ = checked(home, PyObject_GetIter(call_(*p).get())); });
    }
  }

 private:
  callback call_;
  item part_;  // an iterator, or nothing
};

/// `call(element)` gives an iterable: its first element at least, and more for as long as the sink
/// asks and nothing else comes.
class expand_stage : d::detached<erased> {
 public:
  using value_type = item;
  expand_stage(erased up, callback call)
      : d::detached<erased>(std::move(up)),
        call_(std::move(call)),
        part_(call_.home(), nullptr) {}
  st::polled<item> next(st::island& in) {
    interp& home = call_.home();
    for (;;) {
      if (!is_new_) {
        auto p = ask(in);
        if (p.has_ended()) return conclude<item>();
        if (p) {
          st::call_user(in, *this,
                        [&] { part_ = checked(home, PyObject_GetIter(call_(*p).get())); });
          is_new_ = true;
        }
      }
      if (!part_.get() || !spend(in)) return st::pending;
      const bool was_new = std::exchange(is_new_, false);
      PyObject* o = st::call_user(in, *this, [&] {
        PyObject* next = PyIter_Next(part_.get());
        if (!next) part_ = item(home, nullptr);
        if (!next && PyErr_Occurred()) throw_python(home);
        return next;
      });
      if (o) return item(home, o);
      if (!was_new) return st::pending;  // the stage before has said so
    }
  }
  void drive(st::island& in) { drive_up(in); }

 private:
  callback call_;
  item part_;            // an iterator, or nothing
  bool is_new_ = false;  // its first element was not given yet
};

/// None is no element.
struct maybe {
  callback call;
  std::optional<item> operator()(const item& e) const {
    item given = call(e);
    if (given.get() == Py_None) return std::nullopt;
    return given;
  }
};

/// `call(what, value)` hears of each element, of the end and of a failure.
class log_stage : public d::linear<erased> {
 public:
  using value_type = item;
  log_stage(erased up, callback call) : d::linear<erased>(std::move(up)), call_(std::move(call)) {}
  st::polled<item> next(st::island& in) {
    try {
      auto p = up_.next(in);
      if (p)
        tell(in, "element", Py_NewRef(p->get()));
      else if (p.has_ended())
        tell(in, "completed", Py_NewRef(Py_None));
      return p;
    } catch (...) {
      if (!in.has_thrown())
        tell(in, "failed", exception_of(call_.home(), std::current_exception()));
      throw;
    }
  }

 private:
  void tell(st::island& in, const char* what, PyObject* value) {
    interp& home = call_.home();
    const item about = checked(home, value);
    st::call_user(in, *this, [&] { call_(checked(home, PyUnicode_FromString(what)), about); });
  }
  callback call_;
};

constexpr flow_op table[] = {
    {"map",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::map_stage<erased, callback>>(std::move(up), a.call(0));
     },
     true},
    {"filter",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::filter_stage<erased, test>>(std::move(up), test{a.call(0)});
     }},
    {"made",  // function that gives flows, made anew for each run
     [](plan& p, erased up, const op_args& a) {
       return build_flow(p, std::move(up), a.call(0)().get());
     }},
    {"filter_map",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::filter_map_stage<erased, maybe>>(std::move(up), maybe{a.call(0)});
     }},
    {"expand", [](plan&, erased up,
                  const op_args& a) { return make_stage<expand_stage>(std::move(up), a.call(0)); }},
    {"map_concat",
     [](plan&, erased up, const op_args& a) {
       return make_stage<map_concat_stage>(std::move(up), a.call(0));
     }},
    {"wire_tap",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::wire_tap_stage<erased, callback>>(std::move(up), a.call(0));
     },
     true},
    {"log",
     [](plan&, erased up, const op_args& a) {
       return make_stage<log_stage>(std::move(up), a.call(0));
     },
     true},
    {"take",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::take_stage<erased>>(std::move(up), a.size(0));
     }},
    {"take_while",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::take_while_stage<erased, test>>(std::move(up), test{a.call(0)});
     }},
    {"drop",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::skip_stage<erased>>(std::move(up), a.size(0));
     }},
    {"drop_while",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::skip_while_stage<erased, test>>(std::move(up), test{a.call(0)});
     }},
    {"scan",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::scan_stage<erased, item, callback>>(std::move(up), a.object(0),
                                                                a.call(1));
     }},
    {"fold",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::fold_stage<erased, item, callback>>(std::move(up), a.object(0),
                                                                a.call(1));
     }},
    {"reduce",
     [](plan&, erased up, const op_args& a) {
       return make_stage<d::reduce_stage<erased, callback>>(std::move(up), a.call(0));
     }},
    {"grouped",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<listed<d::grouped_stage<erased>>>(
           d::grouped_stage<erased>(std::move(up), a.size(0)), to_list{&p.in});
     }},
    {"sliding",
     [](plan& p, erased up, const op_args& a) {
       return make_stage<listed<d::sliding_stage<erased>>>(
           d::sliding_stage<erased>(std::move(up), a.size(0), a.size(1)), to_list{&p.in});
     }},
};

}  // namespace

std::span<const flow_op> basic_flows() { return table; }

}  // namespace odeon::python
