/// @file Sinks of streams that take elements as fast as they come. Their result
/// is an `Ask`.

#include "streams.hpp"

namespace odeon::python {

namespace {

class consumer {
 public:
  virtual ~consumer() = default;
  /// True: it has enough.
  virtual bool take(item&& e) = 0;
  virtual item finish() = 0;
};

class sink_body final : public st::island_body {
 public:
  sink_body(erased up, std::unique_ptr<consumer> c, completion done)
      : up_(std::move(up)),
        consumer_(std::move(c)),
        done_(std::move(done)) {}
  bool step(st::island& in) override {
    for (;;) {
      auto p = up_.next(in);
      if (p) {
        if (!consumer_->take(std::move(*p))) continue;
      } else if (!p.has_ended()) {
        return false;
      }
      item result = consumer_->finish();
      told_ = true;
      done_.set([result = std::move(result)](interp&) mutable { return result.take(); });
      return true;
    }
  }
  void drive(st::island& in) override { up_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override {
    if (!std::exchange(told_, true)) fail_with(done_, why);
  }

 private:
  erased up_;
  std::unique_ptr<consumer> consumer_;
  completion done_;
  bool told_ = false;
};

PyObject* attach(plan& p, erased up, std::unique_ptr<consumer> c) {
  auto [ask, done] = make_awaitable(p.in, p.m.get_runtime());
  item result = checked(p.in, ask);
  p.add(std::make_unique<sink_body>(std::move(up), std::move(c), std::move(done)));
  return result.take();
}

[[noreturn]] void throw_empty(const char* who) {
  throw actor_error(errc::not_found, std::string(who) + ": the stream had no element");
}
item nothing(interp& in) { return item::share(in, Py_None); }

class fold_consumer final : public consumer {
 public:
  fold_consumer(item state, callback call) : state_(std::move(state)), call_(std::move(call)) {}
  bool take(item&& e) override {
    state_ = call_(state_, e);
    return false;
  }
  item finish() override { return std::move(state_); }

 private:
  item state_;
  callback call_;
};

class reduce_consumer final : public consumer {
 public:
  explicit reduce_consumer(callback call) : state_(call.home(), nullptr), call_(std::move(call)) {}
  bool take(item&& e) override {
    state_ = state_.get() ? call_(state_, e) : std::move(e);
    return false;
  }
  item finish() override {
    if (!state_.get()) throw_empty("Sink.reduce");
    return std::move(state_);
  }

 private:
  item state_;
  callback call_;
};

class collect_consumer final : public consumer {
 public:
  collect_consumer(interp& in, std::size_t limit)
      : list_(checked(in, PyList_New(0))),
        limit_(limit) {}
  bool take(item&& e) override {
    if (static_cast<std::size_t>(PyList_GET_SIZE(list_.get())) == limit_)
      throw actor_error(errc::limit_exceeded,
                        "Sink.collect: more than " + std::to_string(limit_) + " elements");
    if (PyList_Append(list_.get(), e.get()) != 0) throw_python(list_.home());
    return false;
  }
  item finish() override { return std::move(list_); }

 private:
  item list_;
  std::size_t limit_;
};

class foreach_consumer final : public consumer {
 public:
  explicit foreach_consumer(callback call) : call_(std::move(call)) {}
  bool take(item&& e) override {
    call_(e);
    return false;
  }
  item finish() override { return nothing(call_.home()); }

 private:
  callback call_;
};

class ignore_consumer final : public consumer {
 public:
  explicit ignore_consumer(interp& in) : in_(in) {}
  bool take(item&&) override { return false; }
  item finish() override { return nothing(in_); }

 private:
  interp& in_;
};

class count_consumer final : public consumer {
 public:
  explicit count_consumer(interp& in) : in_(in) {}
  bool take(item&&) override {
    ++n_;
    return false;
  }
  item finish() override { return checked(in_, PyLong_FromSize_t(n_)); }

 private:
  interp& in_;
  std::size_t n_ = 0;
};

/// The first or the last; `otherwise` when there was none, which may be
/// nothing: a failure.
class one_consumer final : public consumer {
 public:
  one_consumer(bool first, item otherwise)
      : value_(otherwise.home(), nullptr),
        otherwise_(std::move(otherwise)),
        first_(first) {}
  bool take(item&& e) override {
    value_ = std::move(e);
    return first_;
  }
  item finish() override {
    if (value_.get()) return std::move(value_);
    if (otherwise_.get()) return std::move(otherwise_);
    throw_empty(first_ ? "Sink.first" : "Sink.last");
  }

 private:
  item value_, otherwise_;
  bool first_;
};

constexpr sink_op table[] = {
    {"cancelled",
     [](plan& p, erased up, const op_args&) {
       auto [ask, done] = make_awaitable(p.in, p.m.get_runtime());
       item result = checked(p.in, ask);
       {
         const erased unasked = std::move(up);
       }
       done.set([](interp&) { return Py_NewRef(Py_None); });
       return result.take();
     }},
    {"fold",
     [](plan& p, erased up, const op_args& a) {
       return attach(p, std::move(up), std::make_unique<fold_consumer>(a.object(0), a.call(1)));
     }},
    {"reduce",
     [](plan& p, erased up, const op_args& a) {
       return attach(p, std::move(up), std::make_unique<reduce_consumer>(a.call(0)));
     }},
    {"collect",
     [](plan& p, erased up, const op_args& a) {
       return attach(p, std::move(up), std::make_unique<collect_consumer>(p.in, a.size(0)));
     }},
    {"foreach",
     [](plan& p, erased up, const op_args& a) {
       return attach(p, std::move(up), std::make_unique<foreach_consumer>(a.call(0)));
     }},
    {"ignore",
     [](plan& p, erased up, const op_args&) {
       return attach(p, std::move(up), std::make_unique<ignore_consumer>(p.in));
     }},
    {"count",
     [](plan& p, erased up, const op_args&) {
       return attach(p, std::move(up), std::make_unique<count_consumer>(p.in));
     }},
    {"first",
     [](plan& p, erased up, const op_args&) {
       return attach(p, std::move(up), std::make_unique<one_consumer>(true, item(p.in, nullptr)));
     }},
    {"first_or",
     [](plan& p, erased up, const op_args& a) {
       return attach(p, std::move(up), std::make_unique<one_consumer>(true, a.object(0)));
     }},
    {"last",
     [](plan& p, erased up, const op_args&) {
       return attach(p, std::move(up), std::make_unique<one_consumer>(false, item(p.in, nullptr)));
     }},
    {"last_or",
     [](plan& p, erased up, const op_args& a) {
       return attach(p, std::move(up), std::make_unique<one_consumer>(false, a.object(0)));
     }},
};

}  // namespace

std::span<const sink_op> basic_sinks() { return table; }

}  // namespace odeon::python
