#include "durable_objects.hpp"

#include "ask.hpp"
#include "journal.hpp"
#include "journal_values.hpp"
#include <odeon/projection/announcing_journal.hpp>

#include <mutex>
#include <optional>

namespace odeon::python {

namespace {

// -- Delivery ------------------------------------------------------------------------------------

struct delivery_object {
  PyObject_HEAD std::unique_ptr<persistence::delivery> what;
  detail::ask_state_base* ask;  // with a reference; null: answered
};
delivery_object& as_delivery(PyObject* o) noexcept {
  return *reinterpret_cast<delivery_object*>(o);
}

PyObject* delivery_settle(PyObject* o, PyObject* how) {
  const entry in_layer;
  std::uint32_t which = 0;
  if (!read_value(how, which)) return nullptr;
  if (which > static_cast<std::uint32_t>(persistence::delivered::duplicate)) {
    PyErr_SetString(PyExc_ValueError, "0: settled, 1: handled, 2: a duplicate");
    return nullptr;
  }
  if (auto* s = std::exchange(as_delivery(o).ask, nullptr)) {
    detail::fulfil<persistence::delivered>(*s, static_cast<persistence::delivered>(which));
    s->drop_ref();
  }
  Py_RETURN_NONE;
}
PyObject* delivery_fail(PyObject* o, PyObject* why) {
  const entry in_layer;
  std::string text;
  if (!read_text(why, "a reason", text)) return nullptr;
  if (auto* s = std::exchange(as_delivery(o).ask, nullptr)) {
    s->fail({errc::handler_failed, std::move(text)});
    s->drop_ref();
  }
  Py_RETURN_NONE;
}
void delivery_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  if (auto* s = std::exchange(as_delivery(o).ask, nullptr)) {
    s->fail({errc::handler_failed, "the message was let go, and not settled"});
    s->drop_ref();
  }
  std::destroy_at(&as_delivery(o).what);
  type->tp_free(o);
  Py_DECREF(type);
}

template <auto Member>
PyObject* delivery_get(PyObject* o, void*) {
  const entry in_layer;
  return guarded(interp_of(o),
                 [&]() -> PyObject* { return to_object((*as_delivery(o).what).*Member); });
}

PyMethodDef delivery_methods[] = {{"settle", &delivery_settle, METH_O,
                                   "Done: 0 committed with it, 1 handled, 2 had been before."},
                                  {"fail", &delivery_fail, METH_O, "It is to be delivered again."},
                                  {}};
using persistence::delivery;
PyGetSetDef delivery_fields[] = {
    {"sender", &delivery_get<&delivery::sender>, nullptr, "Whose outbox, or timer.", nullptr},
    {"number", &delivery_get<&delivery::number>, nullptr, "Of this pair; 0: a timer's.", nullptr},
    {"timer", &delivery_get<&delivery::timer>, nullptr, "The timer's id, or empty.", nullptr},
    {"due_ns", &delivery_get<&delivery::due>, nullptr, "When the timer was due.", nullptr},
    {"again", &delivery_get<&delivery::again>, nullptr, "The timer's next round, or None.",
     nullptr},
    {"manifest", &delivery_get<&delivery::manifest>, nullptr, nullptr, nullptr},
    {"version", &delivery_get<&delivery::version>, nullptr, nullptr, nullptr},
    {"payload", &delivery_get<&delivery::payload>, nullptr, nullptr, nullptr},
    {"skip", &delivery_get<&delivery::skip>, nullptr, "Given up: only to be noted.", nullptr},
    {}};
PyType_Slot delivery_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&delivery_dealloc)},
                                {Py_tp_methods, delivery_methods},
                                {Py_tp_getset, delivery_fields},
                                {0, nullptr}};
PyType_Spec delivery_spec = {"odeon._native.Delivery", sizeof(delivery_object), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             delivery_slots};

// -- Permit --------------------------------------------------------------------------------------

struct permit_object {
  PyObject_HEAD std::shared_ptr<void> held;
};
PyObject* permit_release(PyObject* o, PyObject*) {
  const entry in_layer;
  reinterpret_cast<permit_object*>(o)->held.reset();
  Py_RETURN_NONE;
}
void permit_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  std::destroy_at(&reinterpret_cast<permit_object*>(o)->held);
  type->tp_free(o);
  Py_DECREF(type);
}
PyMethodDef permit_methods[] = {
    {"release", &permit_release, METH_NOARGS, "The next one may recover."}, {}};
PyType_Slot permit_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&permit_dealloc)},
                              {Py_tp_methods, permit_methods},
                              {0, nullptr}};
PyType_Spec permit_spec = {"odeon._native.Permit", sizeof(permit_object), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, permit_slots};

// -- Watch ---------------------------------------------------------------------------------------

/// Who waits for news; shared with the journal's thread.
struct news {
  std::mutex mutex;  // guards both
  bool seen = false;
  std::optional<completion> waiter;
};
struct watch_object {
  PyObject_HEAD std::shared_ptr<projection::watch> held;
  std::shared_ptr<news> state;
};
watch_object& as_watch(PyObject* o) noexcept { return *reinterpret_cast<watch_object*>(o); }

PyObject* none(interp&) { return Py_NewRef(Py_None); }

/// (journal, tag, id): news of that tag, of that id, or of everything (both None).
PyObject* journal_watch(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    std::optional<std::string> tag, id;
    if (n != 3) PyErr_SetString(PyExc_TypeError, "3 arguments are expected");
    const auto store = n == 3 ? journal_in(in, args[0]) : nullptr;
    if (!store || !read_value(args[1], tag) || !read_value(args[2], id)) return nullptr;
    auto state = std::make_shared<news>();
    const auto what = tag  ? projection::interest_in_tag(*tag)
                      : id ? projection::interest_in_id(*id)
                           : projection::interest_in_all;
    auto held = projection::watch_if_announced(*store, what, [state] {
      std::optional<completion> told;
      {
        const std::lock_guard lock(state->mutex);
        state->seen = true;
        told = std::exchange(state->waiter, std::nullopt);
      }
      if (told) told->set(&none);
    });
    auto* made = reinterpret_cast<watch_object*>(in.watch_type->tp_alloc(in.watch_type, 0));
    if (!made) return nullptr;
    std::construct_at(&made->held, std::move(held));
    std::construct_at(&made->state, std::move(state));
    return reinterpret_cast<PyObject*>(made);
  });
}
PyObject* watch_reset(PyObject* o, PyObject*) {
  const entry in_layer;
  watch_object& w = as_watch(o);
  {
    const std::lock_guard lock(w.state->mutex);
    w.state->seen = false;
  }
  if (w.held) w.held->reset();
  Py_RETURN_NONE;
}
PyObject* watch_wait(PyObject* o, PyObject*) {
  const entry in_layer;
  interp& in = interp_of(o);
  return guarded(in, [&]() -> PyObject* {
    watch_object& w = as_watch(o);
    auto made = make_awaitable(in, runtime_of_journals());
    if (!made.ask) return nullptr;
    std::optional<completion> before;
    bool seen = false;
    {
      const std::lock_guard lock(w.state->mutex);
      seen = w.state->seen;
      if (!seen) {
        before = std::exchange(w.state->waiter, std::nullopt);
        w.state->waiter.emplace(std::move(made.done));
      }
    }
    if (seen) made.done.set(&none);
    if (before) before->set(&none);
    return made.ask;
  });
}
void watch_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  std::destroy_at(&as_watch(o).held);
  std::destroy_at(&as_watch(o).state);
  type->tp_free(o);
  Py_DECREF(type);
}
PyMethodDef watch_methods[] = {
    {"reset", &watch_reset, METH_NOARGS, "Forgets what was told; before the store is read."},
    {"wait", &watch_wait, METH_NOARGS, "Awaited, it ends with the next news since `reset`."},
    {}};
PyType_Slot watch_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(&watch_dealloc)},
                             {Py_tp_methods, watch_methods},
                             {0, nullptr}};
PyType_Spec watch_spec = {"odeon._native.Watch", sizeof(watch_object), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, watch_slots};

PyMethodDef functions[] = {{"journal_watch", fn(&journal_watch), METH_FASTCALL, nullptr}, {}};

}  // namespace

PyObject* new_delivery(interp& in, const persistence::delivery& what, detail::ask_state_base* ask) {
  auto copy = std::make_unique<persistence::delivery>(what);
  auto* made = reinterpret_cast<delivery_object*>(in.delivery_type->tp_alloc(in.delivery_type, 0));
  if (!made) return nullptr;
  std::construct_at(&made->what, std::move(copy));
  made->ask = ask;
  return reinterpret_cast<PyObject*>(made);
}

PyObject* new_permit(interp& in, std::shared_ptr<void> held) {
  auto* made = reinterpret_cast<permit_object*>(in.permit_type->tp_alloc(in.permit_type, 0));
  if (!made) return nullptr;
  std::construct_at(&made->held, std::move(held));
  return reinterpret_cast<PyObject*>(made);
}

bool add_durable_objects(PyObject* module, interp& in) noexcept {
  const auto add = [module](PyType_Spec& spec, PyTypeObject*& out) {
    out = reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
    return out && PyModule_AddType(module, out) == 0;
  };
  return add(delivery_spec, in.delivery_type) && add(permit_spec, in.permit_type) &&
         add(watch_spec, in.watch_type) && PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace odeon::python
