#include "durable.hpp"

#include "ask.hpp"
#include "durable_objects.hpp"
#include "journal.hpp"
#include "journal_values.hpp"
#include "persistence/internal/extension.hpp"
#include "ref.hpp"
#include "system.hpp"
#include <odeon/pattern/cron.hpp>
#include <odeon/persistence/durable_timers.hpp>

namespace odeon::python {

namespace {

using arguments = PyObject* const*;

/// Somebody is wanted at an address: for the actor that brings receivers to life.
struct activation {
  std::string address;
};

/// Calls `f(in, system)` with the system in the first argument.
template <class F>
PyObject* with_system(PyObject* module, arguments args, Py_ssize_t n, Py_ssize_t wanted,
                      F f) noexcept {
  const entry in_layer;
  interp& in = interp_of_module(module);
  if (n != wanted) {
    PyErr_Format(PyExc_TypeError, "%zd arguments are expected", wanted);
    return nullptr;
  }
  return guarded(in, [&]() -> PyObject* {
    actor_system* s = system_in(in, args[0]);
    return s ? f(in, *s) : nullptr;
  });
}

std::shared_ptr<detail::persistence_extension> extension_in(interp& in, actor_system& s) {
  auto found = s.find_extension<detail::persistence_extension>();
  if (!found)
    raise(in, error(errc::invalid_argument,
                    "the system has no journal: ActorSystem(…, journal=…), or "
                    "persistence.install(system, journal)"));
  return found;
}

/// (system, journal, outbox_poll, max_delivery_attempts)
PyObject* install(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 4, [&](interp& in, actor_system& s) -> PyObject* {
    auto store = journal_in(in, args[1]);
    persistence::install_options o;
    if (!store || !read_seconds(args[2], "outbox_poll", o.outbox_poll) ||
        !read_value(args[3], o.max_delivery_attempts))
      return nullptr;
    // Closed when the system lets go of it, after its last actor; its Python object stays.
    auto close = [held = store, box = journal_box_of(args[1])](journal* j) mutable {
      static_cast<void>(box->take());
      j->close();
      held.reset();
    };
    persistence::install(s, std::shared_ptr<journal>(store.get(), std::move(close)), o);
    Py_RETURN_NONE;
  });
}

/// (system): an `Ask` of a `Permit`.
PyObject* permit(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 1, [&](interp& in, actor_system& s) -> PyObject* {
    auto extension = extension_in(in, s);
    if (!extension) return nullptr;
    auto made = make_awaitable(in, s.get_runtime());
    if (!made.ask) return nullptr;
    auto done = std::make_shared<completion>(std::move(made.done));
    extension->permit().then([done, extension](result<void> r) {
      if (!r) {
        done->fail(std::move(r.error()));
        return;
      }
      // Given back by whoever lets go of it last: also by an ask that was cancelled.
      const std::shared_ptr<void> held(nullptr, [extension](void*) { extension->give_back(); });
      done->set([held](interp& taker) { return new_permit(taker, held); });
    });
    return made.ask;
  });
}

/// (system, address, ref)
PyObject* add_receiver(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 3, [&](interp& in, actor_system& s) -> PyObject* {
    std::string address;
    const any_ref ref = read_ref(in, args[2]);
    if (!ref || !read_value(args[1], address)) return nullptr;
    auto extension = extension_in(in, s);
    if (!extension) return nullptr;
    extension->receivers->add(std::move(address), {.actor = ref});
    extension->receiver_is_ready();
    Py_RETURN_NONE;
  });
}
/// (system, address, ref)
PyObject* remove_receiver(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 3, [&](interp& in, actor_system& s) -> PyObject* {
    std::string address;
    const any_ref ref = read_ref(in, args[2]);
    if (!ref || !read_value(args[1], address)) return nullptr;
    persistence::receivers_of(s)->remove(address, ref);
    Py_RETURN_NONE;
  });
}
/// (system, ref): the address, "" without one.
PyObject* address_of(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 2, [&](interp& in, actor_system& s) -> PyObject* {
    const any_ref ref = read_ref(in, args[1]);
    return ref ? text_of(persistence::receivers_of(s)->address_of(ref)) : nullptr;
  });
}
/// (system, prefix, ref): `ref` gets an Activation for each address that is wanted.
PyObject* activate_with(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 3, [&](interp& in, actor_system& s) -> PyObject* {
    std::string prefix;
    const any_ref ref = read_ref(in, args[2]);
    if (!ref || !read_value(args[1], prefix)) return nullptr;
    persistence::receivers_of(s)->activate_with(
        std::move(prefix), [ref](const std::string& address) {
          detail::tell_to<activation>(*ref.get(), activation{address});
        });
    Py_RETURN_NONE;
  });
}

/// (system, sends, first_due): a commit of a durable actor has put messages into the outbox, has
/// set timers (the first of them due then; None: none).
PyObject* committed(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 3, [&](interp& in, actor_system& s) -> PyObject* {
    auto extension = extension_in(in, s);
    bool sends = false;
    std::optional<wall_time> due;
    if (!extension || !read_value(args[1], sends) || !read_value(args[2], due)) return nullptr;
    if (sends) extension->wrote_outbox();
    if (due) detail::timer_was_set(s, *due);
    Py_RETURN_NONE;
  });
}

/// (system): the wall clock of its runtime, in nanoseconds since the epoch.
PyObject* wall_now(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 1, [&](interp&, actor_system& s) {
    return to_object(s.get_runtime().wall_now());
  });
}

// -- timers --------------------------------------------------------------------------------------

/// (system, grace, recheck, page, window, window_bytes, min_backoff, max_backoff)
PyObject* start_timers(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 8, [&](interp&, actor_system& s) -> PyObject* {
    durable_timers_options o;
    if (!read_seconds(args[1], "grace", o.grace) || !read_seconds(args[2], "recheck", o.recheck) ||
        !read_value(args[3], o.page) || !read_value(args[4], o.window) ||
        !read_value(args[5], o.window_bytes) ||
        !read_seconds(args[6], "min_backoff", o.min_backoff) ||
        !read_seconds(args[7], "max_backoff", o.max_backoff))
      return nullptr;
    persistence::start_timers(s, o);
    Py_RETURN_NONE;
  });
}
/// (system)
PyObject* timer_stats(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 1, [&](interp&, actor_system& s) {
    const durable_timers_stats v = durable_timers(s).stats();
    return record_of("TimerStats", v.fired, v.skipped, v.failed, v.reads, v.under_way);
  });
}

/// The stored form of a `durable_timer`, field by field.
struct timer_body {
  std::int64_t interval_ns = 0;
  std::string cron;
  std::string zone;
  std::uint8_t missed = 0;
  std::uint32_t most = 1000;
  std::uint32_t behind = 0;
  std::string manifest;
  std::uint32_t version = 1;
  wire::bytes payload;
};

result<timer_record> record_from(timer_record out, const timer_body& body, wall_time now) {
  if (!body.cron.empty()) {
    auto when = cron::parse(body.cron, body.zone.empty() ? "UTC" : body.zone);
    if (!when) return std::unexpected(std::move(when.error()));
    const auto first = when->next_after(now);
    if (!first) return fail(errc::invalid_argument, "\"" + body.cron + "\" never comes");
    out.due = *first;
  }
  out.manifest = durable_timer_manifest;
  out.version = 1;
  out.payload = wire::encode(body, wire::format::compact);
  auto timer = durable_timer::from_record(out);
  if (!timer) return std::unexpected(std::move(timer.error()));
  return timer->to_record(now);
}

/// (system, id, due, interval, cron, zone, missed, most, manifest, version, payload): a
/// TimerRecord; `due` is not used with a cron expression.
PyObject* timer_make(PyObject* module, arguments args, Py_ssize_t n) {
  return with_system(module, args, n, 11, [&](interp& in, actor_system& s) -> PyObject* {
    timer_record record;
    timer_body body;
    duration interval{};
    std::uint32_t missed = 0;
    if (!read_value(args[1], record.id) || !read_value(args[2], record.due) ||
        !read_seconds(args[3], "an interval", interval) || !read_value(args[4], body.cron) ||
        !read_value(args[5], body.zone) || !read_value(args[6], missed) ||
        !read_value(args[7], body.most) || !read_value(args[8], body.manifest) ||
        !read_value(args[9], body.version) || !read_value(args[10], body.payload))
      return nullptr;
    body.interval_ns = interval.count();
    body.missed = static_cast<std::uint8_t>(missed);
    const auto made = record_from(std::move(record), body, s.get_runtime().wall_now());
    return made ? to_object(*made) : raise(in, made.error());
  });
}
/// (record): its fields as `timer_make` takes them from `due` on; None: a timer of another kind.
PyObject* timer_read(PyObject* module, PyObject* o) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    timer_record record;
    if (!read_value(o, record)) return nullptr;
    if (record.manifest != durable_timer_manifest) Py_RETURN_NONE;
    const auto t = durable_timer::from_record(record);
    if (!t) return raise(in, t.error());
    const auto missed = static_cast<std::uint32_t>(t->missed());
    owned payload(to_object(t->payload()));
    if (!payload) return nullptr;
    return Py_BuildValue(
        "(LdssIIsIO)", static_cast<long long>(record.due.time_since_epoch().count()),
        std::chrono::duration<double>(t->interval()).count(), t->cron_expression().c_str(),
        t->zone().c_str(), missed, t->most(), t->manifest().c_str(), t->version(), payload.get());
  });
}

PyMethodDef functions[] = {
    {"durable_install", fn(&install), METH_FASTCALL, nullptr},
    {"durable_permit", fn(&permit), METH_FASTCALL, nullptr},
    {"durable_add_receiver", fn(&add_receiver), METH_FASTCALL, nullptr},
    {"durable_remove_receiver", fn(&remove_receiver), METH_FASTCALL, nullptr},
    {"durable_address_of", fn(&address_of), METH_FASTCALL, nullptr},
    {"durable_activate_with", fn(&activate_with), METH_FASTCALL, nullptr},
    {"durable_committed", fn(&committed), METH_FASTCALL, nullptr},
    {"durable_wall_now", fn(&wall_now), METH_FASTCALL, nullptr},
    {"durable_start_timers", fn(&start_timers), METH_FASTCALL, nullptr},
    {"durable_timer_stats", fn(&timer_stats), METH_FASTCALL, nullptr},
    {"durable_timer_make", fn(&timer_make), METH_FASTCALL, nullptr},
    {"durable_timer_read", &timer_read, METH_O, nullptr},
    {}};

}  // namespace

PyObject* durable_to_python(interp& in, detail::envelope& e) {
  if (e.type == &detail::message_type_of<detail::durable_delivery>) {
    auto& what = *static_cast<detail::durable_delivery*>(e.payload());
    detail::ask_state_base* ask = e.ask();
    PyObject* made = new_delivery(in, what.what, ask);
    if (made) detail::forget_ask(e);  // the object has its reference now
    return made;
  }
  if (e.type == &detail::message_type_of<activation>)
    return record_of("Activation", static_cast<activation*>(e.payload())->address);
  return nullptr;
}

bool add_durable_types(PyObject* module, interp& in) noexcept {
  return add_durable_objects(module, in) && PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace odeon::python
