/// @file Queues out of streams. As with those into them, nothing of Python is called, and no
/// reference given up, while the lock is held.

#include "streams.hpp"
#include <odeon/base/detail/spin.hpp>

#include <deque>

namespace odeon::python {

namespace {

/// One writing island, one who pulls: all that waits at once.
class outlet {
 public:
  outlet(interp& in, runtime& rt, std::size_t capacity)
      : in_(in),
        rt_(rt),
        capacity_(capacity == 0 ? 1 : capacity) {}

  /// A list, None at the end, or an `Ask` of one of them; null with an
  /// exception: the stream's.
  PyObject* pull() {
    if (PyObject* now = take_now()) return now;
    if (PyErr_Occurred()) return nullptr;
    auto [ask, done] = make_awaitable(in_, rt_);
    if (!ask) return nullptr;
    completion before;
    bool had_taker = false;
    {
      odeon::detail::spin_guard guard(lock_);
      had_taker = std::exchange(has_taker_, true);
      before = std::exchange(taker_, std::move(done));
    }
    if (had_taker)
      before.fail(error(errc::invalid_argument, "Sink.queue: another pull came meanwhile"));
    flush();  // what came meanwhile
    wake();
    return ask;
  }
  void cancel() {
    {
      odeon::detail::spin_guard guard(lock_);
      cancelled_ = true;
    }
    wake();
  }

  // -- writer
  // ---------------------------------------------------------------------------------------

  enum class demand : std::uint8_t { none, some, cancelled };
  demand enter(st::island& in) {
    odeon::detail::spin_guard guard(lock_);
    if (!writer_) writer_ = in.get_waker();
    if (cancelled_) return demand::cancelled;
    return waiting_.size() < capacity_ ? demand::some : demand::none;
  }
  void put(item&& e) {
    odeon::detail::spin_guard guard(lock_);
    waiting_.push_back(std::move(e));
  }
  /// Gives what waits to who pulls.
  void flush() {
    completion taker;
    std::deque<item> all;
    std::exception_ptr why;
    {
      odeon::detail::spin_guard guard(lock_);
      if (!has_taker_ || (waiting_.empty() && !over_)) return;
      has_taker_ = false;
      taker = std::move(taker_);
      all.swap(waiting_);
      if (all.empty()) why = std::exchange(why_, nullptr);
    }
    if (!all.empty())
      taker.set([all = std::move(all)](interp& in) mutable { return list_of(in, all); });
    else if (why)
      fail_with(taker, why);
    else
      taker.set([](interp&) { return Py_NewRef(Py_None); });
  }
  void close(const std::exception_ptr& why) {
    {
      odeon::detail::spin_guard guard(lock_);
      if (over_) return;
      over_ = true;
      why_ = why;
    }
    flush();
  }

 private:
  static PyObject* list_of(interp&, std::deque<item>& all) {
    PyObject* list = PyList_New(static_cast<Py_ssize_t>(all.size()));
    for (std::size_t i = 0; list && i < all.size(); ++i)
      PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), all[i].take());
    return list;
  }
  PyObject* take_now() {
    std::deque<item> all;
    std::exception_ptr why;
    {
      odeon::detail::spin_guard guard(lock_);
      if (waiting_.empty() && !over_) return nullptr;
      all.swap(waiting_);
      if (all.empty()) why = std::exchange(why_, nullptr);
    }
    if (!all.empty()) {
      wake();
      return list_of(in_, all);
    }
    if (!why) return Py_NewRef(Py_None);
    if (PyObject* e = exception_of(in_, why)) set_exception(e);
    return nullptr;
  }
  void wake() {
    st::waker_ptr w;
    {
      odeon::detail::spin_guard guard(lock_);
      w = writer_;
    }
    if (w) w->wake();
  }
  interp& in_;
  runtime& rt_;
  const std::size_t capacity_;
  odeon::detail::spin_lock lock_;
  std::deque<item> waiting_;
  completion taker_;
  st::waker_ptr writer_;
  bool has_taker_ = false;
  bool over_ = false;
  bool cancelled_ = false;
  std::exception_ptr why_;  // told once: it may hold who holds this, by the frames it went through
};

class outlet_body final : public st::island_body {
 public:
  outlet_body(erased up, std::shared_ptr<outlet> out) : up_(std::move(up)), out_(std::move(out)) {}
  bool step(st::island& in) override {
    for (;;) {
      switch (out_->enter(in)) {
        case outlet::demand::cancelled: return true;
        case outlet::demand::none: out_->flush(); return false;
        case outlet::demand::some: break;
      }
      auto p = up_.next(in);
      if (p) {
        out_->put(std::move(*p));
      } else {
        if (p.has_ended())
          out_->close(nullptr);
        else
          out_->flush();
        return p.has_ended();
      }
    }
  }
  void drive(st::island& in) override { up_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override { out_->close(why); }

 private:
  erased up_;
  std::shared_ptr<outlet> out_;
};

/// The consuming end: letting go of it cancels the stream.
class pulling final : public stream_handle {
 public:
  explicit pulling(std::shared_ptr<outlet> q) noexcept : queue(std::move(q)) {}
  [[nodiscard]] const char* kind() const noexcept override { return "sink_queue"; }
  ~pulling() override { queue->cancel(); }
  const std::shared_ptr<outlet> queue;
};

constexpr sink_op sinks[] = {
    {"queue",  // capacity
     [](plan& p, erased up, const op_args& a) {
       auto q = std::make_shared<outlet>(p.in, p.m.get_runtime(), a.size(0));
       p.add(std::make_unique<outlet_body>(std::move(up), q));
       return new_handle(std::make_shared<pulling>(std::move(q)));
     }},
};

/// stream_pull(handle) → list, None, or an Ask of one of them
PyObject* stream_pull(PyObject* module, PyObject* capsule) {
  const entry in_layer;
  const auto h = handle_as<pulling>(capsule);
  if (!h) return nullptr;
  return guarded(interp_of_module(module), [&] { return h->queue->pull(); });
}

PyObject* stream_cancel(PyObject* module, PyObject* capsule) {
  const entry in_layer;
  const auto h = handle_as<pulling>(capsule);
  if (!h) return nullptr;
  return guarded(interp_of_module(module), [&]() -> PyObject* {
    h->queue->cancel();
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {
    {"stream_pull", &stream_pull, METH_O, nullptr},
    {"stream_cancel", &stream_cancel, METH_O, nullptr},
    {},
};

}  // namespace

std::span<const sink_op> queue_sinks() { return sinks; }
PyMethodDef* pull_functions() noexcept { return functions; }

}  // namespace odeon::python
