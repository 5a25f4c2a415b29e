/// @file What `odeon.routing` calls to make groups, and to look at routers and change them while
/// they run.

#include "ask.hpp"
#include "interop.hpp"
#include "ref.hpp"
#include "routing.hpp"
#include "system.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/core/detail/routing.hpp>
#include <odeon/pattern/pipe_to.hpp>
#include <odeon/pattern/router_control.hpp>
#include <odeon/pattern/router_group.hpp>
#include <odeon/pattern/troupe.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace odeon::python {

namespace {

/// An `Ask` of what `f` completes with: `make(value)` gives the object. `of` is any reference of
/// the system.
template <class T, class F>
PyObject* later(interp& in, const any_ref& of, future<T> f, F make) {
  runtime* rt = detail::runtime_of(of.get()->system());
  if (!rt) return raise(in, error(errc::system_stopped, "the actor system has ended"));
  auto [ask, done] = make_awaitable(in, *rt);
  if (!ask) return nullptr;
  owned held(ask);
  auto shared = std::make_shared<completion>(std::move(done));
  std::move(f).then([shared, make](result<T> r) {
    if (!r)
      shared->fail(std::move(r.error()));
    else if constexpr (std::is_void_v<T>)
      shared->set([make](interp&) { return make(); });
    else
      shared->set([make, value = *r](interp&) { return make(value); });
  });
  return held.release();
}

/// Calls `f` with the reference that is the first of `n` arguments.
template <class F>
PyObject* with_ref(PyObject* module, PyObject* const* args, Py_ssize_t got, Py_ssize_t n, F f) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  if (got != n) {
    PyErr_Format(PyExc_TypeError, "%zd arguments are expected, not %zd", n, got);
    return nullptr;
  }
  return guarded(in, [&]() -> PyObject* {
    any_ref ref = read_ref(in, args[0]);
    return ref ? f(in, std::move(ref)) : nullptr;
  });
}

/// False: an exception is set.
bool put(PyObject* dict, const char* name, PyObject* stolen) {
  const owned value(stolen);
  return value && PyDict_SetItemString(dict, name, value.get()) == 0;
}
bool put(PyObject* dict, const char* name, std::uint64_t n) {
  return put(dict, name, PyLong_FromUnsignedLongLong(n));
}

bool read_members(interp& in, PyObject* o, std::vector<any_ref>& out) {
  const owned all(PySequence_Fast(o, "the members of a group are ActorRefs"));
  if (!all) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(all.get()); ++i) {
    out.push_back(read_ref(in, PySequence_Fast_GET_ITEM(all.get(), i)));
    if (!out.back()) return false;
  }
  return true;
}

/// (option, members, name)
PyObject* router_group(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  if (n != 3) {
    PyErr_SetString(PyExc_TypeError, "router_group takes an option, members and a name");
    return nullptr;
  }
  return guarded(in, [&]() -> PyObject* {
    detail::router_plan plan{};
    std::vector<any_ref> members;
    group_options options;
    if (!read_router_plan(args[0], plan) || !read_members(in, args[1], members)) return nullptr;
    if (args[2] != Py_None && !read_text(args[2], "name", options.name)) return nullptr;
    if (plan.kind == detail::route_kind::balancing || plan.kind == detail::route_kind::troupe)
      return raise(in, error(errc::invalid_argument,
                             "balancing and troupe share one mailbox among actors of their own: "
                             "spawn a pool, router=balancing(4)"));
    if (members.empty())
      return raise(in, error(errc::invalid_argument, "a group begins with at least one member"));
    const any_ref made =
        detail::make_group(members.front().get()->system(), plan, members, options);
    for (const any_ref& member : members) note_member(in, *made.get(), *member.get());
    if (plan.kind == detail::route_kind::consistent_hash) {
      const owned function(PyObject_GetAttrString(args[0], "key"));
      if (!function) return nullptr;
      note_keyed_router(in, *made.get(), function.get());
    }
    return new_ref(in, made);
  });
}

PyObject* router_routees(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_ref(module, args, n, 1, [](interp& in, const any_ref& ref) -> PyObject* {
    owned out(PyList_New(0));
    if (!out) return nullptr;
    for (const any_ref& r : router_control(ref).routees()) {
      const owned one(new_ref(in, r));
      if (!one || PyList_Append(out.get(), one.get()) != 0) return nullptr;
    }
    return out.release();
  });
}

/// A dict of the fields of `odeon.routing.RouterStats`; `routees` is a list of tuples.
PyObject* router_stats_of(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_ref(module, args, n, 1, [](interp& in, const any_ref& ref) -> PyObject* {
    const router_stats s = router_control(ref).stats();
    owned routees(PyList_New(0));
    if (!routees) return nullptr;
    for (const routee_stats& r : s.routees) {
      owned one_ref(new_ref(in, r.ref));
      owned path(text_of(r.path));
      if (!one_ref || !path) return nullptr;
      const owned one(Py_BuildValue("(NNnO)", one_ref.release(), path.release(),
                                    static_cast<Py_ssize_t>(r.waiting),
                                    r.idle ? Py_True : Py_False));
      if (!one || PyList_Append(routees.get(), one.get()) != 0) return nullptr;
    }
    owned out(PyDict_New());
    PyObject* d = out.get();
    const bool good = d && put(d, "strategy", text_of(s.strategy)) &&
                      put(d, "routees", routees.release()) && put(d, "waiting", s.waiting) &&
                      put(d, "open_asks", s.open_asks) && put(d, "routed", s.routed) &&
                      put(d, "refused", s.refused) &&
                      put(d, "last_refusal", text_of(s.last_refusal)) && put(d, "added", s.added) &&
                      put(d, "removed", s.removed) && put(d, "stopped", s.stopped) &&
                      put(d, "replaced", s.replaced) && put(d, "leaving", s.leaving);
    return good ? out.release() : nullptr;
  });
}

PyObject* number(std::size_t n) { return PyLong_FromSize_t(n); }

PyObject* router_resize(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_ref(module, args, n, 2, [args](interp& in, const any_ref& ref) -> PyObject* {
    const std::size_t size = PyLong_AsSize_t(args[1]);
    if (size == static_cast<std::size_t>(-1) && PyErr_Occurred()) return nullptr;
    return later(in, ref, router_control(ref).resize(size), &number);
  });
}

PyObject* router_add(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_ref(module, args, n, 2, [args](interp& in, const any_ref& ref) -> PyObject* {
    any_ref member = read_ref(in, args[1]);
    if (!member) return nullptr;
    note_member(in, *ref.get(), *member.get());
    return later(in, ref, router_control(ref).add(std::move(member)), &number);
  });
}

PyObject* router_remove(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_ref(module, args, n, 2, [args](interp& in, const any_ref& ref) -> PyObject* {
    any_ref member = read_ref(in, args[1]);
    if (!member) return nullptr;
    return later(in, ref, router_control(ref).remove(std::move(member)), &number);
  });
}

/// A dict of the fields of `odeon.routing.TroupeStatus`; `settings` is one of `TroupeOptions`.
PyObject* troupe_status_of(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_ref(module, args, n, 1, [](interp&, const any_ref& ref) -> PyObject* {
    const troupe_status s = troupe_control(ref).status();
    const troupe_options& o = s.settings;
    const double idle_time = std::chrono::duration<double>(o.idle_time).count();
    owned settings(PyDict_New());
    PyObject* d = settings.get();
    bool good = d && put(d, "max", o.max) && put(d, "idle", o.idle) &&
                put(d, "max_pending", o.max_pending) &&
                put(d, "idle_time", PyFloat_FromDouble(idle_time)) &&
                put(d, "attempts", o.attempts);
    owned out(PyDict_New());
    PyObject* all = out.get();
    good = good && all && put(all, "workers", s.workers) && put(all, "busy", s.busy) &&
           put(all, "pending", s.pending) && put(all, "completed", s.completed) &&
           put(all, "failed", s.failed) && put(all, "requeued", s.requeued) &&
           put(all, "refused", s.refused) && put(all, "dismissed", s.dismissed) &&
           put(all, "settings", settings.release());
    return good ? out.release() : nullptr;
  });
}

PyObject* troupe_set(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_ref(module, args, n, 2, [args](interp& in, const any_ref& ref) -> PyObject* {
    troupe_options settings;
    if (!read_troupe_options(args[1], settings)) return nullptr;
    return later(in, ref, troupe_control(ref).set(settings), [] { return Py_NewRef(Py_None); });
  });
}

/// The `ActorSystem` of a reference; None: it has none in this interpreter.
PyObject* system_of_ref(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  return with_ref(module, args, n, 1, [](interp& in, const any_ref& ref) -> PyObject* {
    if (!detail::runtime_of(ref.get()->system()))
      return raise(in, error(errc::system_stopped, "the actor system has ended"));
    return system_object_of(in, detail::system_of(ref));
  });
}

PyMethodDef functions[] = {{"router_group", fn(&router_group), METH_FASTCALL, nullptr},
                           {"router_routees", fn(&router_routees), METH_FASTCALL, nullptr},
                           {"router_stats", fn(&router_stats_of), METH_FASTCALL, nullptr},
                           {"router_resize", fn(&router_resize), METH_FASTCALL, nullptr},
                           {"router_add", fn(&router_add), METH_FASTCALL, nullptr},
                           {"router_remove", fn(&router_remove), METH_FASTCALL, nullptr},
                           {"troupe_status", fn(&troupe_status_of), METH_FASTCALL, nullptr},
                           {"troupe_set", fn(&troupe_set), METH_FASTCALL, nullptr},
                           {"system_of", fn(&system_of_ref), METH_FASTCALL, nullptr},
                           {}};

}  // namespace

bool add_routing_functions(PyObject* module) noexcept {
  return PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace odeon::python
