#include "remote.hpp"

#include "actor.hpp"
#include "ask.hpp"
#include "encoded.hpp"
#include "module.hpp"
#include "opened.hpp"
#include "ref.hpp"
#include "remote_messages.hpp"
#include "system.hpp"
#include "values.hpp"
#include <odeon/address/messages.hpp>
#include <odeon/base/config.hpp>
#include <odeon/core/detail/routing.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace odeon::python {

namespace {

// -- endpoints of this process --------------------------------------------------------------------

struct open_endpoint {
  const detail::system_anchor* system;
  std::shared_ptr<remote::endpoint> net;
};
struct endpoints {
  std::mutex mutex;
  std::vector<open_endpoint> all;
};
endpoints& open_endpoints() {
  static auto* of_process = new endpoints;  // threads of other systems may outlive main
  return *of_process;
}

// -- the object -----------------------------------------------------------------------------------

/// A system's after its actors, and before its end.
using ended_flag = std::shared_ptr<std::atomic<bool>>;

struct endpoint_object {
  PyObject_HEAD std::shared_ptr<remote::endpoint> net;  // null once closed
  ended_flag ended;
  actor_system* system;
  std::shared_ptr<host> main;  // of its actors
  interp* in;
};
endpoint_object& as_endpoint(PyObject* o) noexcept {
  return *reinterpret_cast<endpoint_object*>(o);
}

/// Null with an exception set: it is closed, or its system has ended.
std::shared_ptr<remote::endpoint> open_net(interp& in, const endpoint_object& self) {
  if (self.ended->load())
    raise(in, error(errc::system_stopped, "the actor system has ended"));
  else if (!self.net)
    raise(in, error(errc::unreachable, "the endpoint is closed"));
  else
    return self.net;
  return nullptr;
}

template <class F>
PyObject* with_endpoint(PyObject* o, F f) noexcept {
  const entry in_layer;
  auto& self = as_endpoint(o);
  interp& in = *self.in;
  return guarded(in, [&]() -> PyObject* {
    const auto net = open_net(in, self);
    return net ? f(in, self, *net) : nullptr;
  });
}

/// None; a secret; or (certificate, key, authority). False: an exception is set.
bool read_security(PyObject* o, remote::security& out) {
  if (o == Py_None) return true;
  if (!PyTuple_Check(o)) {
    remote::shared_secret known;
    if (!read_text(o, "the secret", known.secret)) return false;
    out = std::move(known);
    return true;
  }
  remote::mtls files;
  std::string* const parts[] = {&files.certificate, &files.key, &files.authority};
  if (PyTuple_GET_SIZE(o) != 3) return false;
  for (Py_ssize_t i = 0; i < 3; ++i)
    if (!read_text(PyTuple_GET_ITEM(o, i), "a file", *parts[i])) return false;
  out = std::move(files);
  return true;
}

/// Options from "key=value" lines, as a configuration has them, but where it listens and what
/// protects it; null with an exception set.
std::optional<remote::endpoint_options> read_options(interp& in, PyObject* lines) {
  config_sources from;
  if (!read_texts(lines, "an option", from.overrides)) return std::nullopt;
  auto config = configuration::load(remote::endpoint_options::schema(), from);
  if (!config) {
    raise(in, config.error());
    return std::nullopt;
  }
  auto options = remote::endpoint_options::from(*config);
  if (!options) {
    raise(in, options.error());
    return std::nullopt;
  }
  return *std::move(options);
}

/// What an endpoint lets others do: what is registered may be made, so many at a time.
remote::permissions permissions_of(std::size_t spawned) {
  remote::permissions p;
  p.spawn = true;
  p.spawned = spawned;
  return p;
}

PyObject* endpoint_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const entry in_layer;
  interp& in = interp_of(type);
  const char* keys[] = {"system", "listen", "options", "security", "transport", "spawned", nullptr};
  PyObject *system = nullptr, *lines = nullptr, *security = Py_None, *way = Py_None;
  const char* listen = nullptr;
  Py_ssize_t spawned = 10'000;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OsO|OOn", const_cast<char**>(keys), &system,
                                   &listen, &lines, &security, &way, &spawned))
    return nullptr;
  return guarded(in, [&]() -> PyObject* {
    if (process_forked.load()) return raise_forked(in);
    actor_system* s = system_in(in, system);
    if (!s) return nullptr;
    auto options = read_options(in, lines);
    if (!options || !read_security(security, options->security)) return nullptr;
    options->listen = listen;
    std::shared_ptr<transport> through;
    if (way != Py_None && !(through = transport_in(in, way))) return nullptr;
    options->transport = through.get();
    if (endpoint_of(s->anchor()))
      return raise(in, error(errc::name_taken, s->name() + " has an open endpoint already"));
    auto* self = reinterpret_cast<endpoint_object*>(type->tp_alloc(type, 0));
    if (!self) return nullptr;
    std::construct_at(&self->net);
    std::construct_at(&self->ended, std::make_shared<std::atomic<bool>>(false));
    std::construct_at(&self->main, reinterpret_cast<system_object*>(system)->main);
    self->in = &in;
    self->system = s;
    owned made(reinterpret_cast<PyObject*>(self));
    let_python_travel(*s);
    // The transport goes after the endpoint, whoever holds that last.
    self->net = std::shared_ptr<remote::endpoint>(
        new remote::endpoint(*s, *std::move(options),
                             permissions_of(static_cast<std::size_t>(spawned))),
        [through](remote::endpoint* net) { delete net; });
    s->on_shutdown(actor_system::phase::after_actors, "python endpoint",
                   [ended = self->ended] { ended->store(true); });
    auto& open = open_endpoints();
    const std::lock_guard guard(open.mutex);
    open.all.push_back({&s->anchor(), self->net});
    return made.release();
  });
}

/// Lets go of it; the last one says goodbye to all peers, which takes a second at most.
void close_endpoint(endpoint_object& self) {
  auto net = std::exchange(self.net, nullptr);
  if (!net) return;
  {
    auto& open = open_endpoints();
    const std::lock_guard guard(open.mutex);
    std::erase_if(open.all, [&](const open_endpoint& e) { return e.net == net; });
  }
  if (process_forked.load()) {
    static_cast<void>(new std::shared_ptr(std::move(net)));  // its threads are not here
    return;
  }
  const detached out;
  net.reset();
}

PyObject* endpoint_close(PyObject* o, PyObject*) {
  const entry in_layer;
  return guarded(*as_endpoint(o).in, [&]() -> PyObject* {
    close_endpoint(as_endpoint(o));
    Py_RETURN_NONE;
  });
}

void endpoint_dealloc(PyObject* o) {
  const entry in_layer;
  PyTypeObject* type = Py_TYPE(o);
  try {
    close_endpoint(as_endpoint(o));
  } catch (...) {
    // No memory to look at the list: it stays open, as the system's own end finds it.
  }
  std::destroy_at(&as_endpoint(o).net);
  std::destroy_at(&as_endpoint(o).ended);
  std::destroy_at(&as_endpoint(o).main);
  type->tp_free(o);
  Py_DECREF(type);
}

PyObject* endpoint_node(PyObject* o, void*) {
  return with_endpoint(
      o, [](interp&, endpoint_object&, remote::endpoint& net) { return text_of(net.node()); });
}

PyObject* endpoint_address_of(PyObject* o, PyObject* arg) {
  return with_endpoint(o, [&](interp& in, endpoint_object&, remote::endpoint& net) -> PyObject* {
    const any_ref ref = read_ref(in, arg);
    if (!ref) return nullptr;
    auto found = net.address_of(ref);
    return found ? text_of(found->to_string()) : raise(in, found.error());
  });
}

/// False: an exception is set.
bool read_wanted(interp& in, PyObject* o, std::vector<const detail::travelling*>& out) {
  std::vector<std::string> manifests;
  if (o == Py_None) return true;
  if (!read_texts(o, "manifests", manifests)) return false;
  for (const std::string& m : manifests)
    if (!out.emplace_back(named_message(m))) {
      raise(in, error(errc::limit_exceeded, "too many messages were asked about"));
      return false;
    }
  return true;
}

/// The `Ask` of a reference that `begin` looks for.
template <class Begin>
PyObject* found_later(interp& in, endpoint_object& self, PyObject* timeout, Begin begin) {
  duration limit = detail::ask_timeout_of(self.system->anchor());
  if (timeout != Py_None && !read_seconds(timeout, "a timeout", limit)) return nullptr;
  runtime& rt = self.system->get_runtime();
  auto [ask, done] = make_awaitable(in, rt);
  if (!ask) return nullptr;
  auto shared = std::make_shared<completion>(std::move(done));
  auto [found, later] = promise<any_ref>::make(rt);
  begin(found_taker([p = std::move(found)](result<any_ref> r) mutable {
    if (r)
      p.set(*std::move(r));
    else
      p.fail(std::move(r).error());
  }));
  std::move(later).within(limit).then([shared](result<any_ref> r) {
    if (!r) return shared->fail(std::move(r).error());
    shared->set([ref = *std::move(r)](interp& taker) { return new_ref(taker, ref); });
  });
  return ask;
}

/// (address, timeout, manifests)
PyObject* endpoint_resolve(PyObject* o, PyObject* args) {
  return with_endpoint(o,
                       [&](interp& in, endpoint_object& self, remote::endpoint& net) -> PyObject* {
                         const char* address = nullptr;
                         PyObject *timeout = Py_None, *manifests = Py_None;
                         std::vector<const detail::travelling*> wants;
                         if (!PyArg_ParseTuple(args, "s|OO", &address, &timeout, &manifests) ||
                             !read_wanted(in, manifests, wants))
                           return nullptr;
                         return found_later(in, self, timeout, [&](found_taker done) {
                           (net.*open(opened::resolve()))(address, wants, std::move(done));
                         });
                       });
}

/// (node, name or path, timeout, manifests)
PyObject* endpoint_lookup(PyObject* o, PyObject* args) {
  return with_endpoint(o,
                       [&](interp& in, endpoint_object& self, remote::endpoint& net) -> PyObject* {
                         const char *node = nullptr, *name = nullptr;
                         PyObject *timeout = Py_None, *manifests = Py_None;
                         std::vector<const detail::travelling*> wants;
                         if (!PyArg_ParseTuple(args, "ss|OO", &node, &name, &timeout, &manifests) ||
                             !read_wanted(in, manifests, wants))
                           return nullptr;
                         return found_later(in, self, timeout, [&](found_taker done) {
                           (net.*open(opened::lookup()))(node, name, wants, std::move(done));
                         });
                       });
}

/// (node, type, name or "", arguments, timeout)
PyObject* endpoint_spawn_at(PyObject* o, PyObject* args) {
  return with_endpoint(
      o, [&](interp& in, endpoint_object& self, remote::endpoint& net) -> PyObject* {
        const char *node = nullptr, *type = nullptr, *name = nullptr;
        PyObject *list = nullptr, *timeout = Py_None;
        if (!PyArg_ParseTuple(args, "sssO!|O", &node, &type, &name, &PyList_Type, &list, &timeout))
          return nullptr;
        const encoded_payload body = encode_object(in, list, &self.system->anchor());
        if (!body) return nullptr;
        return found_later(in, self, timeout, [&](found_taker done) {
          (net.*open(opened::spawn()))(node, type, name, body->payload, {}, std::move(done));
        });
      });
}

/// (type, class): the core makes such actors for other nodes, on threads of its own. The instance
/// is made on the actor's first turn, so a constructor that raises is a failure of the actor.
PyObject* endpoint_register(PyObject* o, PyObject* args) {
  return with_endpoint(
      o, [&](interp& in, endpoint_object& self, remote::endpoint& net) -> PyObject* {
        const char* type = nullptr;
        PyObject* cls = nullptr;
        if (!PyArg_ParseTuple(args, "sO!", &type, &PyType_Type, &cls)) return nullptr;
        py_class* known = class_for(in, cls);
        if (!known) return nullptr;
        auto make = [&home = in, known, stand_in = &known->elsewhere(), at = self.main](
                        actor_system& system, spawn_options options,
                        std::span<const std::byte> bytes, const wire::context&) -> result<any_ref> {
          auto recipe = std::make_shared<remote_recipe>();
          auto body = std::make_shared<encoded_body>();
          body->manifest = plain_value;
          body->payload.assign(bytes.begin(), bytes.end());
          recipe->args = std::move(body);
          recipe->known = known;
          recipe->far = &system.anchor();
          auto props = std::make_shared<actor_props>(home, *stand_in, at, py_handle(), py_handle());
          props->recipe = std::move(recipe);
          return spawn_actor(system.anchor(), nullptr, std::move(props), &options);
        };
        (net.*open(opened::register_maker()))(type, std::move(make));
        Py_RETURN_NONE;
      });
}

PyObject* endpoint_metrics_of(PyObject* o, PyObject*) {
  return with_endpoint(o, [](interp&, endpoint_object&, remote::endpoint& net) {
    return metrics_to_python(net.metrics());
  });
}

/// (node, quarantine)
PyObject* endpoint_drop(PyObject* o, PyObject* args) {
  return with_endpoint(o, [&](interp& in, endpoint_object&, remote::endpoint& net) -> PyObject* {
    const char* node = nullptr;
    int quarantine = 0;
    if (!PyArg_ParseTuple(args, "sp", &node, &quarantine)) return nullptr;
    if (auto ok = net.drop(node, quarantine != 0); !ok) return raise(in, ok.error());
    Py_RETURN_NONE;
  });
}

/// (system, node, incarnation, identity, version, tags) of each.
PyObject* endpoint_peers(PyObject* o, PyObject*) {
  return with_endpoint(o, [](interp&, endpoint_object&, remote::endpoint& net) -> PyObject* {
    owned all(PyList_New(0));
    for (const remote::peer_info& p : net.peers()) {
      owned tags(PyDict_New());
      for (const auto& [name, value] : p.tags) {
        owned text(text_of(value));
        if (!tags || !text || PyDict_SetItemString(tags.get(), name.c_str(), text.get()) < 0)
          return nullptr;
      }
      owned one(tags ? Py_BuildValue("NNKNNO", text_of(p.system), text_of(p.node),
                                     static_cast<unsigned long long>(p.incarnation),
                                     text_of(p.identity), text_of(p.version), tags.get())
                     : nullptr);
      if (!all || !one || PyList_Append(all.get(), one.get()) < 0) return nullptr;
    }
    return all.release();
  });
}

PyMethodDef methods[] = {
    {"_resolve", &endpoint_resolve, METH_VARARGS, "The reference at an address: an awaitable."},
    {"_lookup", &endpoint_lookup, METH_VARARGS, "The same by node and name."},
    {"address_of", &endpoint_address_of, METH_O, "The address of an actor, for other nodes."},
    {"_spawn_at", &endpoint_spawn_at, METH_VARARGS, "A new actor of a type registered there."},
    {"_register", &endpoint_register, METH_VARARGS, "Lets other nodes make actors of a class."},
    {"_metrics", &endpoint_metrics_of, METH_NOARGS, "Traffic, queues and refusals, as a dict."},
    {"_drop", &endpoint_drop, METH_VARARGS, "Ends the association with a node."},
    {"_peers", &endpoint_peers, METH_NOARGS, "What each handshake has told."},
    {"close", &endpoint_close, METH_NOARGS,
     "Says goodbye to all peers; blocks for a second at most."},
    {}};
PyGetSetDef fields[] = {{"node", &endpoint_node, nullptr, "How others reach this node.", nullptr},
                        {}};
PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(&endpoint_new)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(&endpoint_dealloc)},
                       {Py_tp_methods, methods},
                       {Py_tp_getset, fields},
                       {0, nullptr}};
PyType_Spec spec = {"odeon._native.Endpoint", sizeof(endpoint_object), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

}  // namespace

std::shared_ptr<remote::endpoint> endpoint_of(const detail::system_anchor& system) {
  auto& open = open_endpoints();
  const std::lock_guard guard(open.mutex);
  const auto found = std::ranges::find(open.all, &system, &open_endpoint::system);
  return found == open.all.end() ? nullptr : found->net;
}

result<address> far_address_of(const detail::system_anchor& system, const any_ref& ref) {
  if (const auto net = endpoint_of(system)) return net->address_of(ref);
  return fail(errc::unreachable, ref.path() +
                                     " has no address for other nodes: its system has no "
                                     "open endpoint");
}

result<any_ref> resolve_far(const detail::system_anchor& system, const address& a) {
  if (const auto net = endpoint_of(system)) return net->resolver().resolve(a, {});
  return fail(errc::unreachable, a.to_string() + " is on another node, and there is no endpoint");
}

std::shared_ptr<remote::endpoint> endpoint_in(interp& in, PyObject* o) {
  if (!PyObject_TypeCheck(o, in.endpoint_type)) {
    PyErr_Format(PyExc_TypeError, "an Endpoint is expected, not %.200s", Py_TYPE(o)->tp_name);
    return nullptr;
  }
  return open_net(in, as_endpoint(o));
}

namespace {

/// (system, manifest): whether that is a message of C++ there.
PyObject* is_typed(PyObject* module, PyObject* args) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    PyObject* system = nullptr;
    const char* manifest = nullptr;
    if (!PyArg_ParseTuple(args, "Os", &system, &manifest)) return nullptr;
    actor_system* s = system_in(in, system);
    if (!s) return nullptr;
    const detail::travelling* known = messages_of(*s).find(manifest);
    return PyBool_FromLong(known && known->type);
  });
}

PyMethodDef functions[] = {{"_message_is_typed", &is_typed, METH_VARARGS, nullptr}, {}};

}  // namespace

bool add_remote_type(PyObject* module, interp& in) noexcept {
  in.endpoint_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return in.endpoint_type && PyModule_AddType(module, in.endpoint_type) == 0 &&
         PyModule_AddFunctions(module, functions) == 0;
}

}  // namespace odeon::python
