// The Python object `Membership`, the base of `odeon.federation.Federation`.
//
// What it stands for ends before its endpoint and its system: by `close`, or with the system's
// actors, whichever comes first. Both take it out under the lock that every call holds, so no call
// finds half of it. The lock is only waited for with the interpreter let go, since whoever has it
// may end the membership and wait for its actor.

#include "ask.hpp"
#include "opened.hpp"
#include "part_object.hpp"
#include "ref.hpp"
#include "relay.hpp"
#include "remote.hpp"
#include "system.hpp"
#include "values.hpp"
#include <odeon/core/detail/routing.hpp>

#include <mutex>
#include <optional>
#include <utility>

namespace odeon::python {

namespace {

using federation::member;
using federation::membership;

/// Shared with the system's end.
struct part {
  std::mutex mutex;
  std::shared_ptr<remote::endpoint> net;  // open for as long as this uses it
  std::optional<membership> in;

  [[nodiscard]] bool is_there() const noexcept { return in.has_value(); }
  void leave() {
    const std::lock_guard guard(mutex);
    if (in) in->leave();
  }
  void end() {
    const std::lock_guard guard(mutex);
    in.reset();
    net.reset();
  }
};

using membership_object = part_object<part>;
membership_object& as_membership(PyObject* o) noexcept { return membership_object::of(o); }

/// Calls `f(membership)` without the interpreter. False with an exception set: it has ended.
template <class F>
bool with_part(PyObject* o, F f) {
  return as_membership(o).with("the federation has been left", [&](part& p) { f(*p.in); });
}

// -- members as tuples, as `odeon.federation.Member` takes them ----------------------------------

constexpr std::string_view scopes[] = {"local", "tenant", "federation"};

owned name_of(const federation::shared_name& n) {
  return owned(Py_BuildValue("NNN", text_of(n.name), text_of(n.path),
                             text_of(scopes[static_cast<std::size_t>(n.seen_by)])));
}

owned member_of(const member& m) {
  owned capabilities(list_of(m.capabilities));
  owned types(list_of(m.types));
  owned names(list_of(m.names, &name_of));
  if (!capabilities || !types || !names) return {};
  return owned(Py_BuildValue("NNKKNOOO", text_of(m.node), text_of(m.system),
                             static_cast<unsigned long long>(m.incarnation),
                             static_cast<unsigned long long>(m.version), text_of(m.tenant),
                             capabilities.get(), types.get(), names.get()));
}

bool read_scope(PyObject* o, federation::name_scope& out) {
  std::string text;
  if (!read_text(o, "a scope", text)) return false;
  for (std::size_t i = 0; i < std::size(scopes); ++i) {
    if (text != scopes[i]) continue;
    out = static_cast<federation::name_scope>(i);
    return true;
  }
  PyErr_Format(PyExc_ValueError, "a scope is local, tenant or federation, not %s", text.c_str());
  return false;
}

/// (node, system, incarnation, version, tenant, capabilities, types, ((name, path, scope), …))
bool read_member(PyObject* o, member& out) {
  const char *node = nullptr, *system = nullptr, *tenant = nullptr;
  unsigned long long incarnation = 0, version = 0;
  PyObject *capabilities = nullptr, *types = nullptr, *names = nullptr;
  if (!PyTuple_Check(o)) {
    PyErr_SetString(PyExc_TypeError, "a member is a tuple");
    return false;
  }
  if (!PyArg_ParseTuple(o, "ssKKsOOO", &node, &system, &incarnation, &version, &tenant,
                        &capabilities, &types, &names) ||
      !read_texts(capabilities, "a capability", out.capabilities) ||
      !read_texts(types, "a type", out.types))
    return false;
  out.node = node;
  out.system = system;
  out.incarnation = incarnation;
  out.version = version;
  out.tenant = tenant;
  return read_each(names, "names are a sequence", [&](PyObject* each) {
    const char *name = nullptr, *path = nullptr;
    PyObject* seen_by = nullptr;
    auto& one = out.names.emplace_back();
    if (!PyArg_ParseTuple(each, "ssO", &name, &path, &seen_by) || !read_scope(seen_by, one.seen_by))
      return false;
    one.name = name;
    one.path = path;
    return true;
  });
}

// -- its life ------------------------------------------------------------------------------------

constexpr named_number<federation::federation_limits> bounds[] = {
    {.name = "members", .count = &federation::federation_limits::members},
    {.name = "items", .count = &federation::federation_limits::items},
    {.name = "text_bytes", .count = &federation::federation_limits::text_bytes},
    {.name = "joining", .count = &federation::federation_limits::joining},
};

bool read_options(PyObject* args, PyObject*& system, PyObject*& net,
                  federation::federation_options& out) {
  PyObject *seeds = nullptr, *capabilities = nullptr, *lease = nullptr, *heartbeat = nullptr;
  PyObject *fixed = nullptr, *limits = nullptr;
  const char *tenant = nullptr, *secret = nullptr, *tenant_secret = nullptr;
  if (!PyArg_ParseTuple(args, "OOOOsssOOOO!:Membership", &system, &net, &seeds, &capabilities,
                        &tenant, &secret, &tenant_secret, &lease, &heartbeat, &fixed, &PyDict_Type,
                        &limits) ||
      !read_texts(seeds, "a seed", out.seeds) ||
      !read_texts(capabilities, "a capability", out.capabilities) ||
      !read_seconds(lease, "the lease", out.lease) ||
      !read_seconds(heartbeat, "the heartbeat", out.heartbeat) ||
      !read_numbers(limits, bounds, out.limits))
    return false;
  out.tenant = tenant;
  out.secret = secret;
  out.tenant_secret = tenant_secret;
  return read_each(fixed, "fixed members are a sequence",
                   [&](PyObject* one) { return read_member(one, out.fixed.emplace_back()); });
}

/// (system, endpoint, seeds, capabilities, tenant, secret, tenant_secret, lease, heartbeat, fixed,
/// limits)
PyObject* membership_new(PyTypeObject* type, PyObject* args, PyObject*) {
  const entry in_layer;
  interp& in = interp_of(type);
  return guarded(in, [&]() -> PyObject* {
    if (process_forked.load()) return raise_forked(in);
    PyObject *system = nullptr, *net = nullptr;
    federation::federation_options options;
    if (!read_options(args, system, net, options)) return nullptr;
    actor_system* s = system_in(in, system);
    auto held = s ? std::make_shared<part>() : nullptr;
    if (!held || !(held->net = endpoint_in(in, net))) return nullptr;
    auto calls = relay_of(in, system);
    if (!calls) return nullptr;
    held->in.emplace(*s, *held->net, std::move(options));
    const auto with = [weak = std::weak_ptr(held)](auto f) {
      return [weak, f] {
        if (const auto held = weak.lock()) f(*held);
      };
    };
    s->on_shutdown(actor_system::phase::before_actors, "leaving the federation",
                   with([](part& p) { p.leave(); }));
    s->on_shutdown(actor_system::phase::after_actors, "federation", with([](part& p) { p.end(); }));
    return membership_object::make(type, in, *s, std::move(held), std::move(calls));
  });
}

// -- who is there --------------------------------------------------------------------------------

PyObject* membership_members(PyObject* o, PyObject*) {
  const entry in_layer;
  return guarded(*as_membership(o).home, [&]() -> PyObject* {
    std::vector<member> all;
    if (!with_part(o, [&](membership& m) { all = m.members(); })) return nullptr;
    return list_of(all, &member_of).release();
  });
}

/// ("joined" | "updated" | "left", member, why or None)
owned event_of(const federation::membership_event& e) {
  const char* what = "updated";
  const member* who = nullptr;
  owned why = owned::share(Py_None);
  if (const auto* joined = std::get_if<federation::member_joined>(&e)) {
    what = "joined";
    who = &joined->who;
  } else if (const auto* left = std::get_if<federation::member_left>(&e)) {
    what = "left";
    who = &left->who;
    why = owned(text_of(to_string(left->why)));
  } else {
    who = &std::get<federation::member_updated>(e).who;
  }
  const owned told(member_of(*who));
  if (!told || !why) return {};
  return owned(Py_BuildValue("sOO", what, told.get(), why.get()));
}

void report(PyObject* call) noexcept {
  const owned raised(take_exception());
  const owned module(PyImport_ImportModule("odeon.events"));
  const owned told(module && raised ? PyObject_CallMethod(module.get(), "_subscriber_failed", "OO",
                                                          call, raised.get())
                                    : nullptr);
  if (!told) PyErr_WriteUnraisable(call);
}

/// (callable): a capsule; the watch ends with it.
PyObject* membership_watch(PyObject* o, PyObject* call) {
  const entry in_layer;
  interp& in = *as_membership(o).home;
  return guarded(in, [&]() -> PyObject* {
    auto held = std::make_shared<py_handle>(in, Py_NewRef(call));
    auto told = [to = as_membership(o).calls, held](const federation::membership_event& e) {
      static_cast<void>(to->post_job([e, held](interp&) {
        const owned event(event_of(e));
        const owned done(event ? PyObject_CallOneArg(held->get(), event.get()) : nullptr);
        if (!done) report(held->get());
      }));
    };
    std::shared_ptr<void> kept;
    if (!with_part(o, [&](membership& m) { kept = m.watch(std::move(told)); })) return nullptr;
    auto* in_capsule = new std::shared_ptr<void>(std::move(kept));
    PyObject* capsule = PyCapsule_New(in_capsule, "odeon.membership_watch", [](PyObject* c) {
      const entry in_layer;
      delete static_cast<std::shared_ptr<void>*>(PyCapsule_GetPointer(c, "odeon.membership_watch"));
    });
    if (!capsule) delete in_capsule;
    return capsule;
  });
}

PyObject* membership_leave(PyObject* o, PyObject*) {
  const entry in_layer;
  return guarded(*as_membership(o).home, [&]() -> PyObject* {
    if (!with_part(o, [](membership& m) { m.leave(); })) return nullptr;
    Py_RETURN_NONE;
  });
}

PyObject* membership_set_capabilities(PyObject* o, PyObject* all) {
  const entry in_layer;
  return guarded(*as_membership(o).home, [&]() -> PyObject* {
    std::vector<std::string> texts;
    if (!read_texts(all, "a capability", texts) ||
        !with_part(o, [&](membership& m) { m.set_capabilities(std::move(texts)); }))
      return nullptr;
    Py_RETURN_NONE;
  });
}

// -- actors and names ----------------------------------------------------------------------------

/// (type): its endpoint makes such actors.
PyObject* membership_offered(PyObject* o, PyObject* type) {
  const entry in_layer;
  return guarded(*as_membership(o).home, [&]() -> PyObject* {
    std::string text;
    if (!read_text(type, "a type", text) ||
        !with_part(o, [&](membership& m) { (m.*open(opened::offered()))(std::move(text)); }))
      return nullptr;
    Py_RETURN_NONE;
  });
}

bool read_where(PyObject* o, federation::placement& out) {
  std::string text;
  if (!read_text(o, "where", text)) return false;
  using where = federation::placement::where;
  if (text == "here")
    out.on = where::here;
  else if (text == "automatic")
    out.on = where::automatic;
  else if (text == "there")
    out.on = where::there;
  else {
    PyErr_Format(PyExc_ValueError, "a placement is here, automatic or there, not %s", text.c_str());
    return false;
  }
  return true;
}

/// (on, needs, node, same_tenant, type): "" for this system, or a node.
PyObject* membership_choose(PyObject* o, PyObject* args) {
  const entry in_layer;
  interp& in = *as_membership(o).home;
  return guarded(in, [&]() -> PyObject* {
    federation::placement p;
    PyObject *on = nullptr, *needs = nullptr;
    const char *node = nullptr, *type = nullptr;
    int same_tenant = 0;
    if (!PyArg_ParseTuple(args, "OOsps", &on, &needs, &node, &same_tenant, &type) ||
        !read_where(on, p) || !read_texts(needs, "a need", p.needs))
      return nullptr;
    p.node = node;
    p.same_tenant = same_tenant != 0;
    std::optional<result<std::string>> chosen;
    if (!with_part(o, [&](membership& m) { chosen = (m.*open(opened::choose()))(p, type); }))
      return nullptr;
    return *chosen ? text_of(**chosen) : raise(in, chosen->error());
  });
}

/// (name, ref, scope)
PyObject* membership_share(PyObject* o, PyObject* args) {
  const entry in_layer;
  interp& in = *as_membership(o).home;
  return guarded(in, [&]() -> PyObject* {
    const char* name = nullptr;
    PyObject *ref = nullptr, *scope = nullptr;
    federation::name_scope seen_by{};
    if (!PyArg_ParseTuple(args, "sOO", &name, &ref, &scope) || !read_scope(scope, seen_by))
      return nullptr;
    const any_ref actor = read_ref(in, ref);
    if (!actor) return nullptr;
    result<void> done;
    if (!with_part(o, [&](membership& m) { done = m.share(name, actor, seen_by); })) return nullptr;
    if (!done) return raise(in, done.error());
    Py_RETURN_NONE;
  });
}

PyObject* membership_unshare(PyObject* o, PyObject* name) {
  const entry in_layer;
  return guarded(*as_membership(o).home, [&]() -> PyObject* {
    std::string text;
    bool was = false;
    if (!read_text(name, "a name", text) ||
        !with_part(o, [&](membership& m) { was = m.unshare(text); }))
      return nullptr;
    return PyBool_FromLong(was);
  });
}

/// (name, scope, timeout): awaited, the reference.
PyObject* membership_find(PyObject* o, PyObject* args) {
  const entry in_layer;
  auto& self = as_membership(o);
  interp& in = *self.home;
  return guarded(in, [&]() -> PyObject* {
    const char* name = nullptr;
    PyObject *scope = nullptr, *timeout = Py_None;
    federation::name_scope within{};
    duration limit{};
    if (!PyArg_ParseTuple(args, "sO|O", &name, &scope, &timeout) || !read_scope(scope, within) ||
        (timeout != Py_None && !read_seconds(timeout, "a timeout", limit)))
      return nullptr;
    std::optional<future<actor_ref<>>> found;
    if (!with_part(o, [&](membership& m) {  // its system is there as long as it is
          if (timeout == Py_None) limit = detail::ask_timeout_of(self.system->anchor());
          found = m.find<actor_ref<>>(name, within);
        }))
      return nullptr;
    auto [ask, done] = make_awaitable(in, *self.rt);
    if (!ask) return nullptr;
    auto shared = std::make_shared<completion>(std::move(done));
    std::move(*found).within(limit).then([shared](result<actor_ref<>> r) {
      if (!r) return shared->fail(std::move(r).error());
      shared->set([ref = any_ref(*r)](interp& taker) { return new_ref(taker, ref); });
    });
    return ask;
  });
}

PyMethodDef methods[] = {
    {"_members", &membership_members, METH_NOARGS, "This system first."},
    {"_watch", &membership_watch, METH_O, "Tells a callable who joins, changes and leaves."},
    {"_set_capabilities", &membership_set_capabilities, METH_O, "Replaces them."},
    {"_offered", &membership_offered, METH_O, "Tells the members of a type."},
    {"_choose", &membership_choose, METH_VARARGS, "Where an actor goes."},
    {"_share", &membership_share, METH_VARARGS, "Gives an actor a name."},
    {"_unshare", &membership_unshare, METH_O, "Takes a name back."},
    {"_find", &membership_find, METH_VARARGS, "The actor of a name: an awaitable."},
    {"leave", &membership_leave, METH_NOARGS, "Tells all members, and takes no more part."},
    {"close", &membership_object::close, METH_NOARGS, "Leaves, and waits until that is done."},
    {}};
PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(&membership_new)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(&membership_object::dealloc)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"odeon._native.Membership", sizeof(membership_object), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

bool add_federation_type(PyObject* module) noexcept {
  const owned type(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return type && PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())) == 0;
}

}  // namespace odeon::python
