#include "remote.hpp"

#include "ask.hpp"
#include "encoded.hpp"
#include "module.hpp"
#include "ref.hpp"
#include "system.hpp"
#include <odeon/address/messages.hpp>
#include <odeon/base/config.hpp>
#include <odeon/remote/endpoint.hpp>

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace odeon::python {

namespace {

// -- messages of Python, on their way
// --------------------------------------------------------------

encoded_payload body_of(const wire::tagged_view& from) {
  auto body = std::make_shared<encoded_body>();
  body->manifest = from.manifest.empty() ? plain_value : from.manifest;
  body->version = from.version;
  body->payload.assign(from.payload.begin(), from.payload.end());
  return body;
}

wire::tagged tagged_of(const encoded_body& body) {
  return {body.manifest, body.version, wire::format::msgpack, body.payload};
}

result<void> check_form(const wire::tagged_view& from) {
  if (from.form == wire::format::msgpack) return {};
  return fail(errc::no_codec, std::string(from.manifest) + ": Python reads MessagePack alone");
}

result<detail::envelope*> read_far(const wire::tagged_view& from, bool extra,
                                   const wire::context&) {
  if (auto ok = check_form(from); !ok) return std::unexpected(std::move(ok).error());
  return make_far_envelope(body_of(from), extra);
}

result<wire::tagged> write_far(const void* message, const wire::context&) {
  return tagged_of(**static_cast<const far_payload*>(message));
}

/// What an actor of Python has answered to an asker elsewhere.
result<wire::tagged> bytes_of(const py_value& reply) {
  if (const auto* made = reply.made_by<decoded_later>()) return tagged_of(*made->body);
  return fail(errc::internal, "a reply for another node that is not encoded");
}

detail::ask_in_flight ask_far(detail::cell& to, detail::envelope& e, duration limit,
                              detail::reply_taker take) {
  auto* s = new py_ask_state();
  detail::ask_in_flight held(*s);
  detail::send_as_ask(to, e, *s, limit);
  future<py_value>(s).then([take = std::move(take)](result<py_value> r) {
    take(r ? bytes_of(*r) : result<wire::tagged>(std::unexpected(std::move(r).error())));
  });
  return held;
}

result<bool> settle_far(detail::ask_state_base& ask, const wire::tagged_view& reply,
                        const wire::context&) {
  if (auto ok = check_form(reply); !ok) {
    ask.fail(ok.error());
    return std::unexpected(std::move(ok).error());
  }
  return detail::fulfil<py_value>(ask, py_value(decoded_later{body_of(reply), ask.system}));
}

constexpr detail::travelling far_message{
    .type = nullptr,
    .manifest = {},
    .version = 1,
    .read = &read_far,
    .write = &write_far,
    .write_to = nullptr,
    .ask = &ask_far,
    .settle = &settle_far,
    .describe = nullptr,
};

constexpr detail::foreign_messages of_python{
    .of_manifest = [](std::string_view) -> const detail::travelling* { return &far_message; },
    .of_type = [](const detail::message_type& type) -> const detail::travelling* {
      return is_far_message(type) ? &far_message : nullptr;
    },
};

// -- endpoints of this process
// ---------------------------------------------------------------------

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

// -- the object
// ------------------------------------------------------------------------------------

struct endpoint_object {
  PyObject_HEAD std::shared_ptr<remote::endpoint> net;  // null once closed
  runtime* rt;
  detail::system_anchor* system;
  interp* in;
};
endpoint_object& as_endpoint(PyObject* o) noexcept {
  return *reinterpret_cast<endpoint_object*>(o);
}

template <class F>
PyObject* with_endpoint(PyObject* o, F f) noexcept {
  const entry in_layer;
  auto& self = as_endpoint(o);
  interp& in = *self.in;
  return guarded(in, [&]() -> PyObject* {
    if (const auto net = self.net) return f(in, self, *net);
    return raise(in, error(errc::unreachable, "the endpoint is closed"));
  });
}

/// Options from "key=value" lines, as a configuration has them; null with an exception set.
std::optional<remote::endpoint_options> read_options(interp& in, PyObject* lines,
                                                     PyObject* secret) {
  config_sources from;
  owned all(PySequence_Fast(lines, "a list of options is expected"));
  if (!all) return std::nullopt;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(all.get()); ++i)
    if (!read_text(PySequence_Fast_GET_ITEM(all.get(), i), "an option",
                   from.overrides.emplace_back()))
      return std::nullopt;
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
  if (secret != Py_None) {
    std::string text;
    if (!read_text(secret, "the secret", text)) return std::nullopt;
    options->security = remote::shared_secret{std::move(text)};
  }
  return *std::move(options);
}

PyObject* endpoint_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  const entry in_layer;
  interp& in = interp_of(type);
  const char* keys[] = {"system", "options", "secret", nullptr};
  PyObject *system = nullptr, *lines = nullptr, *secret = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|O", const_cast<char**>(keys), &system, &lines,
                                   &secret))
    return nullptr;
  return guarded(in, [&]() -> PyObject* {
    if (process_forked.load()) return raise_forked(in);
    actor_system* s = system_in(in, system);
    if (!s) return nullptr;
    auto options = read_options(in, lines, secret);
    if (!options) return nullptr;
    if (endpoint_of(s->anchor()))
      return raise(in, error(errc::name_taken, s->name() + " has an open endpoint already"));
    auto* self = reinterpret_cast<endpoint_object*>(type->tp_alloc(type, 0));
    if (!self) return nullptr;
    std::construct_at(&self->net);
    self->in = &in;
    self->rt = &s->get_runtime();
    self->system = &s->anchor();
    owned made(reinterpret_cast<PyObject*>(self));
    messages_of(*s).set_foreign(of_python);
    self->net = std::make_shared<remote::endpoint>(*s, *std::move(options));
    auto& open = open_endpoints();
    const std::lock_guard guard(open.mutex);
    open.all.push_back({self->system, self->net});
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

/// The `Ask` of a reference that is being looked for.
PyObject* found_later(interp& in, runtime& rt, future<actor_ref<>> f, PyObject* timeout) {
  if (timeout != Py_None) {
    duration limit{};
    if (!read_seconds(timeout, "a timeout", limit)) return nullptr;
    f = std::move(f).within(limit);
  }
  auto [ask, done] = make_awaitable(in, rt);
  if (!ask) return nullptr;
  auto shared = std::make_shared<completion>(std::move(done));
  std::move(f).then([shared](result<actor_ref<>> r) {
    if (!r) return shared->fail(std::move(r).error());
    shared->set([ref = any_ref(*r)](interp& taker) { return new_ref(taker, ref); });
  });
  return ask;
}

PyObject* endpoint_resolve(PyObject* o, PyObject* args) {
  return with_endpoint(
      o, [&](interp& in, endpoint_object& self, remote::endpoint& net) -> PyObject* {
        const char* address = nullptr;
        PyObject* timeout = Py_None;
        if (!PyArg_ParseTuple(args, "s|O", &address, &timeout)) return nullptr;
        return found_later(in, *self.rt, net.resolve<actor_ref<>>(address), timeout);
      });
}

PyObject* endpoint_lookup(PyObject* o, PyObject* args) {
  return with_endpoint(
      o, [&](interp& in, endpoint_object& self, remote::endpoint& net) -> PyObject* {
        const char *node = nullptr, *name = nullptr;
        PyObject* timeout = Py_None;
        if (!PyArg_ParseTuple(args, "ss|O", &node, &name, &timeout)) return nullptr;
        return found_later(in, *self.rt, net.lookup<actor_ref<>>(node, name), timeout);
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

bool add_remote_type(PyObject* module, interp&) noexcept {
  owned type(PyType_FromModuleAndSpec(module, &spec, nullptr));
  return type && PyModule_AddType(module, reinterpret_cast<PyTypeObject*>(type.get())) == 0;
}

}  // namespace odeon::python
