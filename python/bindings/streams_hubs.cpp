/// @file Hubs: streams that others join and leave while they run.

#include "streams.hpp"
#include <odeon/stream/hub.hpp>

namespace odeon::python {

namespace {

namespace d = st::detail;

using producers = d::joining<d::producers, item>;
using consumers = d::joining<d::consumers, item>;

struct merge_hub final : stream_handle {
  explicit merge_hub(std::size_t n) : capacity(n) {}
  [[nodiscard]] const char* kind() const noexcept override { return "merge_hub"; }
  const std::shared_ptr<producers> shared = std::make_shared<producers>();
  const std::size_t capacity;
};
struct consumer_hub final : stream_handle {
  explicit consumer_hub(std::size_t n) : capacity(n) {}
  [[nodiscard]] const char* kind() const noexcept override { return "consumer_hub"; }
  const std::shared_ptr<consumers> shared = std::make_shared<consumers>();
  const std::size_t capacity;
};

template <class H>
std::shared_ptr<H> need(plan& p, PyObject* capsule) {
  auto h = handle_as<H>(capsule);
  if (!h) throw_python(p.in);
  return h;
}

struct chosen_of {
  callback call;
  std::size_t operator()(std::size_t n, const item& e) const {
    interp& in = call.home();
    const item answer = call(checked(in, PyLong_FromSize_t(n)), e);
    const std::size_t index = PyLong_AsSize_t(answer.get());
    if (index == static_cast<std::size_t>(-1) && PyErr_Occurred()) throw_python(in);
    return index;
  }
};

/// A copy of a failure that is a Python exception.
std::exception_ptr copy_of(interp& in, const std::exception_ptr& why) {
  const item e = checked(in, exception_of(in, why));
  set_exception(copy_of(in, e.get()).take());
  return std::make_exception_ptr(python_error(in));
}

/// As the body of C++; the hub keeps no exception that was raised, since that may hold the hub, by
/// the frames that it went through.
template <class Policy>
class hub_island final : public st::island_body {
 public:
  hub_island(interp& in, erased up, Policy policy, std::shared_ptr<consumers> shared)
      : in_(in),
        shared_(shared),
        body_(std::move(up), std::move(policy), std::move(shared)) {}
  bool step(st::island& in) override { return body_.step(in); }
  void drive(st::island& in) override { body_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override {
    try {
      if (is_attached(in_))
        for (auto& c : shared_->close(copy_of(in_, why))) c->close(why);
    } catch (...) {
      // No memory for a copy: the hub keeps the failure itself.
    }
    body_.fail(why);
  }

 private:
  interp& in_;
  std::shared_ptr<consumers> shared_;
  d::hub_body<erased, Policy> body_;
};

template <class Policy>
PyObject* into_hub(plan& p, erased up, Policy policy, std::size_t capacity) {
  auto hub = std::make_shared<consumer_hub>(capacity);
  p.add(std::make_unique<hub_island<Policy>>(p.in, std::move(up), std::move(policy), hub->shared));
  return new_handle(std::move(hub));
}

constexpr source_op sources[] = {
    {"merge_hub",  // capacity
     [](plan& p, const op_args& a) {
       auto hub = std::make_shared<merge_hub>(a.size(0));
       p.materialize(new_handle(hub));
       return make_stage<d::merge_hub_stage<item>>(hub->shared);
     }},
    {"from_hub",
     [](plan& p, const op_args& a) {
       const auto hub = need<consumer_hub>(p, a.at(0));
       auto c = std::make_shared<d::channel<item>>(hub->capacity);
       if (!hub->shared->join(c)) {
         const auto why = hub->shared->why();
         c->close(why ? copy_of(p.in, why) : nullptr);
       }
       return make_stage<channel_reader>(std::move(c));
     }},
};

constexpr sink_op sinks[] = {
    {"into_hub",
     [](plan& p, erased up, const op_args& a) {
       const auto hub = need<merge_hub>(p, a.at(0));
       auto c = std::make_shared<d::channel<item>>(hub->capacity);
       if (!hub->shared->join(c)) c->cancel();
       p.add(std::make_unique<d::channel_body<erased>>(std::move(up), std::move(c)));
       return Py_NewRef(Py_None);
     }},
    {"broadcast_hub",  // capacity
     [](plan& p, erased up, const op_args& a) {
       return into_hub(p, std::move(up), d::to_all(), a.size(0));
     }},
    {"partition_hub",  // capacity, function
     [](plan& p, erased up, const op_args& a) {
       return into_hub(p, std::move(up), d::to_chosen_of<chosen_of>{{a.call(1)}}, a.size(0));
     }},
};

/// No more streams join a merge hub.
PyObject* stream_finish(PyObject* module, PyObject* capsule) {
  const entry in_layer;
  const auto h = handle_as<merge_hub>(capsule);
  if (!h) return nullptr;
  return guarded(interp_of_module(module), [&]() -> PyObject* {
    h->shared->finish();
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {
    {"stream_finish", &stream_finish, METH_O, nullptr},
    {},
};

}  // namespace

std::span<const source_op> hub_sources() { return sources; }
std::span<const sink_op> hub_sinks() { return sinks; }
PyMethodDef* hub_functions() noexcept { return functions; }

}  // namespace odeon::python
