// The Python objects `RelayTransport`, a node's way through a relay, and `Relay`, the relay itself.
//
// Each has a runtime of its own, so that neither needs an actor system, nor ends before what uses
// it: an endpoint holds its transport until its own end.

#include "ask.hpp"
#include "remote.hpp"
#include "system.hpp"
#include "values.hpp"
#include <odeon/net/tcp.hpp>
#include <odeon/net/tls.hpp>
#include <odeon/net/websocket.hpp>
#include <odeon/remote/relay_transport.hpp>
#include <odeon/runtime/runtime.hpp>

#include <utility>

namespace odeon::python {

namespace {

using remote::relay_refusal;

// -- a node's way --------------------------------------------------------------------------------

/// In the order of their ends, from the last.
struct way_through {
  std::unique_ptr<runtime> rt = make_threaded_runtime();
  std::unique_ptr<remote::relay_transport> way;
};

struct way_object {
  PyObject_HEAD std::shared_ptr<way_through> held;  // null once closed
  interp* in;
};
way_object& as_way(PyObject* o) noexcept { return *reinterpret_cast<way_object*>(o); }

template <class Object, class F>
PyObject* with_held(Object& self, const char* what, F f) noexcept {
  const entry in_layer;
  return guarded(*self.in, [&]() -> PyObject* {
    const auto held = self.held;
    if (!held) return raise(*self.in, error(errc::unreachable, std::string(what) + " is closed"));
    return f(*held);
  });
}

/// Lets go of it, the interpreter let go meanwhile: it waits for its threads.
template <class Held>
void let_go(std::shared_ptr<Held>& held) {
  auto last = std::exchange(held, nullptr);
  if (!last) return;
  if (process_forked.load()) {
    static_cast<void>(new std::shared_ptr(std::move(last)));  // its threads are not here
    return;
  }
  const detached out;
  last.reset();
}

template <class Object>
void dealloc(PyObject* o) {
  const entry in_layer;
  auto& self = *reinterpret_cast<Object*>(o);
  PyTypeObject* type = Py_TYPE(o);
  let_go(self.held);
  std::destroy_at(&self.held);
  type->tp_free(o);
  Py_DECREF(type);
}

template <class Object>
PyObject* close(PyObject* o, PyObject*) {
  const entry in_layer;
  let_go(reinterpret_cast<Object*>(o)->held);
  Py_RETURN_NONE;
}

constexpr named_number<remote::relay_client_limits> way_limits[] = {
    {.name = "window_bytes", .count = &remote::relay_client_limits::window_bytes},
    {.name = "connections", .count = &remote::relay_client_limits::connections},
    {.name = "routes", .count = &remote::relay_client_limits::routes},
    {.name = "queue_bytes", .count = &remote::relay_client_limits::queue_bytes},
    {.name = "retry_after", .span = &remote::relay_client_limits::retry_after},
    {.name = "handshake", .span = &remote::relay_client_limits::handshake},
    {.name = "probe_every", .span = &remote::relay_client_limits::probe_every},
    {.name = "silent_after", .span = &remote::relay_client_limits::silent_after},
    {.name = "backoff_least", .span = &remote::relay_client_limits::backoff_least},
    {.name = "backoff_most", .span = &remote::relay_client_limits::backoff_most},
    {.name = "flush", .span = &remote::relay_client_limits::flush},
};

/// (relay, name, secret, trusted, certificate, key, limits)
PyObject* way_new(PyTypeObject* type, PyObject* args, PyObject*) {
  const entry in_layer;
  interp& in = interp_of(type);
  const char *relay = nullptr, *name = nullptr, *secret = nullptr;
  const char *trusted = nullptr, *certificate = nullptr, *key = nullptr;
  PyObject* limits = nullptr;
  if (!PyArg_ParseTuple(args, "ssssssO!:RelayTransport", &relay, &name, &secret, &trusted,
                        &certificate, &key, &PyDict_Type, &limits))
    return nullptr;
  return guarded(in, [&]() -> PyObject* {
    if (process_forked.load()) return raise_forked(in);
    remote::relay_transport_options options{.relay = relay,
                                            .name = name,
                                            .secret = secret,
                                            .trusted = trusted,
                                            .certificate = certificate,
                                            .key = key};
    if (!read_numbers(limits, way_limits, options.limits)) return nullptr;
    auto held = std::make_shared<way_through>();
    held->way = remote::make_relay_transport(*held->rt, std::move(options));
    auto* self = reinterpret_cast<way_object*>(type->tp_alloc(type, 0));
    if (!self) return nullptr;
    std::construct_at(&self->held, std::move(held));
    self->in = &in;
    return reinterpret_cast<PyObject*>(self);
  });
}

/// (seconds): awaited, None when this node is registered.
PyObject* way_ready(PyObject* o, PyObject* limit) {
  return with_held(as_way(o), "the relay's transport", [&](way_through& held) -> PyObject* {
    duration within{};
    if (!read_seconds(limit, "a timeout", within)) return nullptr;
    auto [ask, done] = make_awaitable(*as_way(o).in, *held.rt);
    if (!ask) return nullptr;
    auto shared = std::make_shared<completion>(std::move(done));
    held.way->ready(within, [shared](result<void> r) {
      if (!r) return shared->fail(std::move(r).error());
      shared->set([](interp&) { return Py_NewRef(Py_None); });
    });
    return ask;
  });
}

PyObject* way_status(PyObject* o, PyObject*) {
  return with_held(as_way(o), "the relay's transport", [](way_through& held) {
    const remote::relay_status s = held.way->status();
    const bool wrong = s.last.code() != errc::cancelled;
    return dict_of()
        .add("state", to_string(s.state))
        .add("last_error", wrong ? s.last.to_string() : std::string())
        .add("registrations", s.registrations)
        .add("connections", s.connections)
        .add("queued_bytes", s.queued_bytes)
        .take()
        .release();
  });
}

PyObject* way_routes(PyObject* o, PyObject*) {
  return with_held(as_way(o), "the relay's transport", [](way_through& held) {
    return list_of(held.way->routes(),
                   [](const remote::relay_route& r) {
                     const bool none = r.last_refusal == relay_refusal::none;
                     return dict_of()
                         .add("name", r.name)
                         .add("connections", r.connections)
                         .add("healthy", r.healthy)
                         .add("silent_for", r.silent_for)
                         .add("round_trip", r.round_trip)
                         .add("sent", r.sent)
                         .add("taken", r.taken)
                         .add("retried", r.retried)
                         .add("refused", r.refused)
                         .add("last_refusal", none ? std::string_view() : to_string(r.last_refusal))
                         .take();
                   })
        .release();
  });
}

PyObject* way_name(PyObject* o, void*) {
  return with_held(as_way(o), "the relay's transport",
                   [](way_through& held) { return text_of(held.way->name()); });
}

PyMethodDef way_methods[] = {
    {"_ready", &way_ready, METH_O, "Awaited, it ends when this node is registered."},
    {"_status", &way_status, METH_NOARGS, "How it stands with the relay, as a dict."},
    {"_routes", &way_routes, METH_NOARGS, "How it stands with other nodes, as dicts."},
    {"close", &close<way_object>, METH_NOARGS,
     "Lets go of it; an endpoint that uses it goes on until its own end."},
    {}};
PyGetSetDef way_fields[] = {{"name", &way_name, nullptr, "Of this node.", nullptr}, {}};
PyType_Slot way_slots[] = {{Py_tp_new, reinterpret_cast<void*>(&way_new)},
                           {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc<way_object>)},
                           {Py_tp_methods, way_methods},
                           {Py_tp_getset, way_fields},
                           {0, nullptr}};
PyType_Spec way_spec = {"odeon._native.RelayTransport", sizeof(way_object), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, way_slots};

// -- the relay -----------------------------------------------------------------------------------

struct running_relay {
  std::unique_ptr<runtime> rt = make_threaded_runtime();
  std::unique_ptr<transport> below;  // sockets
  std::unique_ptr<transport> over;   // WebSockets on them
  std::unique_ptr<remote::relay_server> server;
  std::string scheme;
};

struct relay_object {
  PyObject_HEAD std::shared_ptr<running_relay> held;  // null once closed
  interp* in;
};
relay_object& as_relay(PyObject* o) noexcept { return *reinterpret_cast<relay_object*>(o); }

constexpr named_number<remote::relay_limits> relay_bounds[] = {
    {.name = "names", .count = &remote::relay_limits::names},
    {.name = "connections", .count = &remote::relay_limits::connections},
    {.name = "connections_per_host", .count = &remote::relay_limits::connections_per_host},
    {.name = "handshakes", .count = &remote::relay_limits::handshakes},
    {.name = "envelope_bytes", .count = &remote::relay_limits::envelope_bytes},
    {.name = "queue_bytes", .count = &remote::relay_limits::queue_bytes},
    {.name = "bytes_per_second", .count = &remote::relay_limits::bytes_per_second},
    {.name = "envelopes_per_second", .count = &remote::relay_limits::envelopes_per_second},
    {.name = "handshake", .span = &remote::relay_limits::handshake},
    {.name = "heartbeat", .span = &remote::relay_limits::heartbeat},
    {.name = "silent_after", .span = &remote::relay_limits::silent_after},
};

struct relay_files {
  const char* certificate = nullptr;
  const char* key = nullptr;
  const char* trusted = nullptr;
};

/// The transports below; where to listen on them.
result<std::string> carry(running_relay& r, const std::string& listen, const relay_files& files,
                          const remote::relay_limits& limits) {
  const std::size_t end = listen.find("://");
  r.scheme = end == listen.npos ? std::string() : listen.substr(0, end);
  const bool web = r.scheme == "ws" || r.scheme == "wss";
  const bool safe = r.scheme == "tls" || r.scheme == "wss";
  if (!web && !safe && r.scheme != "tcp")
    return fail(errc::invalid_argument, "'" + listen +
                                            "' is nothing that a relay listens on: give "
                                            "ws://host:port/path, wss://…, tcp://host:port or "
                                            "tls://…");
  if (safe) {
    const std::string trusted = files.trusted;
    r.below = make_tls_transport(*r.rt, {.name = "odeon-relay",
                                         .certificate = files.certificate,
                                         .key = files.key,
                                         // Nodes are asked for none without it.
                                         .trusted = trusted.empty() ? files.certificate : trusted,
                                         .mutual = !trusted.empty(),
                                         .peers = {}});
  } else {
    r.below = make_tcp_transport(*r.rt, {.name = "odeon-relay"});
  }
  if (!web) return listen.substr(end + 3);
  http_limits bounds;
  bounds.connections = limits.connections;
  bounds.connections_per_peer =
      limits.connections_per_host == 0 ? bounds.connections : limits.connections_per_host;
  r.over = make_websocket_transport(*r.rt, {.plain = safe ? nullptr : r.below.get(),
                                            .tls = safe ? r.below.get() : nullptr,
                                            .limits = bounds});
  const bool has_path = listen.find('/', end + 3) != listen.npos;
  return has_path ? listen : listen + "/odeon";
}

/// (listen, secret, certificate, key, trusted, allow_unauthenticated_local, limits)
PyObject* relay_new(PyTypeObject* type, PyObject* args, PyObject*) {
  const entry in_layer;
  interp& in = interp_of(type);
  const char *listen = nullptr, *secret = nullptr;
  relay_files files;
  int open_to_all = 0;
  PyObject* limits = nullptr;
  if (!PyArg_ParseTuple(args, "ssssspO!:Relay", &listen, &secret, &files.certificate, &files.key,
                        &files.trusted, &open_to_all, &PyDict_Type, &limits))
    return nullptr;
  return guarded(in, [&]() -> PyObject* {
    if (process_forked.load()) return raise_forked(in);
    remote::relay_server_options options{.secret = secret,
                                         .allow_unauthenticated_local = open_to_all != 0};
    if (!read_numbers(limits, relay_bounds, options.limits)) return nullptr;
    auto held = std::make_shared<running_relay>();
    auto at = carry(*held, listen, files, options.limits);
    if (!at) return raise(in, at.error());
    options.listen = *std::move(at);
    auto server = remote::relay_server::start(*held->rt, held->over ? *held->over : *held->below,
                                              std::move(options));
    if (!server) return raise(in, server.error());
    held->server = *std::move(server);
    auto* self = reinterpret_cast<relay_object*>(type->tp_alloc(type, 0));
    if (!self) return nullptr;
    std::construct_at(&self->held, std::move(held));
    self->in = &in;
    return reinterpret_cast<PyObject*>(self);
  });
}

PyObject* relay_address(PyObject* o, void*) {
  return with_held(as_relay(o), "the relay", [](running_relay& r) {
    const std::string& at = r.server->address();
    return text_of(at.contains("://") ? at : r.scheme + "://" + at);
  });
}

PyObject* relay_metrics(PyObject* o, PyObject*) {
  return with_held(as_relay(o), "the relay", [](running_relay& r) {
    const remote::relay_metrics m = r.server->metrics();
    dict_of refused;
    for (std::size_t i = 1; i < m.refused_total.size(); ++i)
      refused.add(std::string(to_string(static_cast<relay_refusal>(i))).c_str(),
                  m.refused_total[i]);
    return dict_of()
        .add("connections", m.connections)
        .add("registered", m.registered)
        .add("queued_bytes", m.queued_bytes)
        .add("accepted_total", m.accepted_total)
        .add("registrations_total", m.registrations_total)
        .add("envelopes_total", m.envelopes_total)
        .add("bytes_total", m.bytes_total)
        .add("throttled_total", m.throttled_total)
        .add("envelopes_per_second", m.envelopes_per_second)
        .add("bytes_per_second", m.bytes_per_second)
        .add("refused_total", refused.take())
        .take()
        .release();
  });
}

PyObject* relay_peers(PyObject* o, PyObject*) {
  return with_held(as_relay(o), "the relay", [](running_relay& r) {
    return list_of(r.server->peers(),
                   [](const remote::relay_peer& p) {
                     return dict_of()
                         .add("name", p.name)
                         .add("host", p.host)
                         .add("since", p.since)
                         .add("queued_bytes", p.queued_bytes)
                         .add("envelopes_in", p.envelopes_in)
                         .add("envelopes_out", p.envelopes_out)
                         .take();
                   })
        .release();
  });
}

/// (seconds)
PyObject* relay_drain(PyObject* o, PyObject* limit) {
  return with_held(as_relay(o), "the relay", [&](running_relay& r) -> PyObject* {
    duration within{};
    if (!read_seconds(limit, "a timeout", within)) return nullptr;
    bool all = false;
    {
      const detached out;
      all = r.server->drain(within);
    }
    return PyBool_FromLong(all);
  });
}

PyMethodDef relay_methods[] = {
    {"_metrics", &relay_metrics, METH_NOARGS, "What it has done and holds, as a dict."},
    {"_peers", &relay_peers, METH_NOARGS, "The registered nodes, as dicts."},
    {"_drain", &relay_drain, METH_O, "Says goodbye; blocks until what was queued is written."},
    {"close", &close<relay_object>, METH_NOARGS,
     "Ends all connections; blocks until that is done."},
    {}};
PyGetSetDef relay_fields[] = {
    {"address", &relay_address, nullptr, "Where nodes find it, with the real port.", nullptr}, {}};
PyType_Slot relay_slots[] = {{Py_tp_new, reinterpret_cast<void*>(&relay_new)},
                             {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc<relay_object>)},
                             {Py_tp_methods, relay_methods},
                             {Py_tp_getset, relay_fields},
                             {0, nullptr}};
PyType_Spec relay_spec = {"odeon._native.Relay", sizeof(relay_object), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, relay_slots};

}  // namespace

std::shared_ptr<transport> transport_in(interp& in, PyObject* o) {
  if (!PyObject_TypeCheck(o, in.relay_transport_type)) {
    PyErr_Format(PyExc_TypeError, "a RelayTransport is expected, not %.200s", Py_TYPE(o)->tp_name);
    return nullptr;
  }
  auto& self = as_way(o);
  if (self.held) return {self.held, self.held->way.get()};
  raise(in, error(errc::unreachable, "the relay's transport is closed"));
  return nullptr;
}

bool add_relay_types(PyObject* module, interp& in) noexcept {
  in.relay_transport_type =
      reinterpret_cast<PyTypeObject*>(PyType_FromModuleAndSpec(module, &way_spec, nullptr));
  const owned relay(PyType_FromModuleAndSpec(module, &relay_spec, nullptr));
  return in.relay_transport_type && relay &&
         PyModule_AddType(module, in.relay_transport_type) == 0 &&
         PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(relay.get())) == 0;
}

}  // namespace odeon::python
