/// @file Queues into streams.
///
/// What is offered waits behind a spin lock. No
/// reference is given up, and nothing of Python is called, while the lock is
/// held: both may run code of the program, on this thread or, the interpreter
/// let go meanwhile, on another that wants the lock.

#include "ref.hpp"
#include "streams.hpp"
#include <odeon/base/detail/spin.hpp>
#include <odeon/stream/queue.hpp>

#include <deque>

namespace odeon::python {

namespace {

namespace d = st::detail;

// -- offering ------------------------------------------------------------------------------------

constexpr const char* enqueued = "enqueued";
constexpr const char* dropped = "dropped";
constexpr const char* full = "full";
constexpr const char* closed = "closed";

/// Many producers, one reading island. The methods of producers: attached.
class intake {
 public:
  intake(runtime& rt, std::size_t capacity, st::on_full what)
      : rt_(rt),
        capacity_(capacity == 0 ? 1 : capacity),
        what_(what) {}

  /// What became of it; null: there is no room.
  const char* try_offer(item& e) {
    std::deque<item> gone;
    st::waker_ptr w;
    const char* out = enqueued;
    {
      odeon::detail::spin_guard guard(lock_);
      if (closed_) return closed;
      if (waiting_.size() >= capacity_) {
        out = dropped;
        switch (what_) {
          case st::on_full::wait: return nullptr;
          case st::on_full::drop_newest: return dropped;
          case st::on_full::drop_oldest:
            gone.push_back(std::move(waiting_.front()));
            waiting_.pop_front();
            break;
          case st::on_full::drop_all: gone.swap(waiting_); break;
          case st::on_full::fail:
            closed_ = true;
            why_ = st::exception_of(
                error(errc::limit_exceeded,
                      "Source.queue: full with " + std::to_string(capacity_) + " elements"));
            out = closed;
            break;
        }
      }
      if (out != closed) waiting_.push_back(std::move(e));
      w = reader_;
    }
    if (w) w->wake();
    return out;
  }
  /// The same, or an `Ask` of it: a new reference.
  PyObject* offer(interp& in, item e) {
    if (const char* now = try_offer(e)) return PyUnicode_FromString(now);
    auto [ask, done] = make_awaitable(in, rt_);
    if (!ask) return nullptr;
    const char* now = nullptr;
    st::waker_ptr w;
    {
      odeon::detail::spin_guard guard(lock_);
      if (closed_) {
        now = closed;
      } else if (waiting_.size() < capacity_) {
        waiting_.push_back(std::move(e));  // there is room again
        now = enqueued;
        w = reader_;
      } else if (blocked_.size() == st::queue_waiters_max) {
        now = full;
      } else {
        blocked_.push_back({std::move(e), std::move(done)});
      }
    }
    if (w) w->wake();
    if (now) done.set([now](interp&) { return PyUnicode_FromString(now); });
    return ask;
  }
  void close(const std::exception_ptr& why) {
    std::deque<blocked> all;
    st::waker_ptr w;
    {
      odeon::detail::spin_guard guard(lock_);
      if (closed_) return;
      closed_ = true;
      why_ = why;
      all.swap(blocked_);
      w = reader_;
    }
    for (auto& b : all) b.done.set([](interp&) { return PyUnicode_FromString(closed); });
    if (w) w->wake();
  }
  [[nodiscard]] bool is_closed() noexcept {
    odeon::detail::spin_guard guard(lock_);
    return closed_;
  }

  // -- reader
  // ---------------------------------------------------------------------------------------

  st::polled<item> next(st::island& in) {
    completion let_in;
    st::polled<item> out = st::pending;
    std::exception_ptr why;
    {
      odeon::detail::spin_guard guard(lock_);
      if (!reader_) reader_ = in.get_waker();
      if (!waiting_.empty()) {
        out = st::polled<item>(std::move(waiting_.front()));
        waiting_.pop_front();
        if (!blocked_.empty()) {
          waiting_.push_back(std::move(blocked_.front().element));
          let_in = std::move(blocked_.front().done);
          blocked_.pop_front();
          has_let_in_ = true;
        }
      } else if (closed_) {
        why = std::exchange(why_, nullptr);  // it may hold the queue, by frames it went through
        out = st::ended;
      }
    }
    if (std::exchange(has_let_in_, false))
      let_in.set([](interp&) { return PyUnicode_FromString(enqueued); });
    if (why) std::rethrow_exception(why);
    return out;
  }
  /// The stream does not read any more.
  void cancel() {
    std::deque<item> gone;
    std::exception_ptr why;
    close(nullptr);
    odeon::detail::spin_guard guard(lock_);
    gone.swap(waiting_);
    why.swap(why_);
  }

 private:
  struct blocked {
    item element;
    completion done;
  };
  runtime& rt_;
  const std::size_t capacity_;
  const st::on_full what_;
  odeon::detail::spin_lock lock_;
  std::deque<item> waiting_;
  std::deque<blocked> blocked_;
  st::waker_ptr reader_;
  bool closed_ = false;
  bool has_let_in_ = false;  // the reader's own
  std::exception_ptr why_;
};

class intake_stage : public d::leaf {
 public:
  using value_type = item;
  explicit intake_stage(std::shared_ptr<intake> i) noexcept : intake_(std::move(i)) {}
  intake_stage(intake_stage&&) noexcept = default;
  ~intake_stage() {
    if (intake_) intake_->cancel();
  }
  st::polled<item> next(st::island& in) {
    if (!spend(in)) return st::pending;
    return intake_->next(in);
  }

 private:
  std::shared_ptr<intake> intake_;
};

/// The producing end: let go of without an end, the stream fails.
class offering final : public stream_handle {
 public:
  explicit offering(std::shared_ptr<intake> q) noexcept : queue(std::move(q)) {}
  [[nodiscard]] const char* kind() const noexcept override { return "source_queue"; }
  ~offering() override {
    queue->close(st::exception_of(
        error(errc::no_reply, "Source.queue: let go of without complete() or fail()")));
  }
  const std::shared_ptr<intake> queue;
};

/// As `intake_stage`; the actor that offers ends with it.
class intake_actor_stage : public intake_stage {
 public:
  intake_actor_stage(std::shared_ptr<intake> i, any_ref who)
      : intake_stage(std::move(i)),
        who_(std::move(who)) {}
  intake_actor_stage(intake_actor_stage&&) noexcept = default;
  ~intake_actor_stage() {
    if (who_) actor_system::of(who_.get()->system()).stop(who_);
  }

 private:
  any_ref who_;
};

constexpr source_op sources[] = {
    {"actor",  // capacity, overflow, function of (work, handle) that gives the actor
     [](plan& p, const op_args& a) {
       auto q =
           std::make_shared<intake>(p.m.get_runtime(), a.size(0), read_on_full(p.in, a.text(1)));
       const item handle = checked(p.in, new_handle(std::make_shared<offering>(q)));
       item ref = a.call(2)(p.things->work, handle);
       any_ref who = read_ref(p.in, ref.get());
       if (!who) throw_python(p.in);
       p.materialize(ref.take());
       return make_stage<intake_actor_stage>(std::move(q), std::move(who));
     }},
    {"queue",  // capacity, overflow
     [](plan& p, const op_args& a) {
       auto q =
           std::make_shared<intake>(p.m.get_runtime(), a.size(0), read_on_full(p.in, a.text(1)));
       p.materialize(new_handle(std::make_shared<offering>(q)));
       return make_stage<intake_stage>(std::move(q));
     }},
};

// -- functions -----------------------------------------------------------------------------------

/// stream_offer(handle, element) → text, or an Ask of it
PyObject* stream_offer(PyObject* module, PyObject* args) {
  const entry in_layer;
  PyObject* capsule = nullptr;
  PyObject* element = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &capsule, &element)) return nullptr;
  const auto h = handle_as<offering>(capsule);
  if (!h) return nullptr;
  interp& in = interp_of_module(module);
  return guarded(in, [&] { return h->queue->offer(in, item::share(in, element)); });
}

/// stream_try_offer(handle, element) → text
PyObject* stream_try_offer(PyObject* module, PyObject* args) {
  const entry in_layer;
  PyObject* capsule = nullptr;
  PyObject* element = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &capsule, &element)) return nullptr;
  const auto h = handle_as<offering>(capsule);
  if (!h) return nullptr;
  interp& in = interp_of_module(module);
  return guarded(in, [&] {
    item e = item::share(in, element);
    const char* now = h->queue->try_offer(e);
    return PyUnicode_FromString(now ? now : full);
  });
}

/// stream_end(handle, exception or None)
PyObject* stream_end(PyObject* module, PyObject* args) {
  const entry in_layer;
  PyObject* capsule = nullptr;
  PyObject* exception = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &capsule, &exception)) return nullptr;
  const auto h = handle_as<offering>(capsule);
  if (!h) return nullptr;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    std::exception_ptr why;
    if (exception != Py_None) {
      set_exception(Py_NewRef(exception));
      why = std::make_exception_ptr(python_error(in));
    }
    h->queue->close(why);
    Py_RETURN_NONE;
  });
}

PyObject* stream_is_closed(PyObject*, PyObject* capsule) {
  const entry in_layer;
  const auto h = handle_as<offering>(capsule);
  return h ? PyBool_FromLong(h->queue->is_closed()) : nullptr;
}

PyMethodDef functions[] = {
    {"stream_offer", &stream_offer, METH_VARARGS, nullptr},
    {"stream_try_offer", &stream_try_offer, METH_VARARGS, nullptr},
    {"stream_end", &stream_end, METH_VARARGS, nullptr},
    {"stream_is_closed", &stream_is_closed, METH_O, nullptr},
    {},
};

}  // namespace

std::span<const source_op> queue_sources() { return sources; }
PyMethodDef* queue_functions() noexcept { return functions; }

}  // namespace odeon::python
