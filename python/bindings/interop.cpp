// Where a message or an answer leaves the interpreter, and where one comes in.
//
// How an asker takes its answer is told by the type of the message it asked with, which the ask
// keeps: an object of Python (the asker is of the same interpreter, and takes objects), encoded (of
// another interpreter: it takes what makes an object there), or one of C++ (the ask's state is of
// the reply's type, which the system's message table knows how to read).

#include "interop.hpp"

#include "ask.hpp"
#include "codec.hpp"
#include "durable.hpp"
#include "encoded.hpp"
#include "events.hpp"
#include "failure.hpp"
#include "message.hpp"
#include "ref.hpp"
#include "remote.hpp"
#include "routing.hpp"
#include "system.hpp"
#include <odeon/address/messages.hpp>
#include <odeon/address/resolver.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/core/detail/routing.hpp>
#include <odeon/core/signals.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <mutex>
#include <vector>

namespace odeon::python {

namespace {

PyObject* reason_text(const exit_reason& r) { return text_of(to_string(r)); }

PyObject* signal(interp& in, const char* make, const any_ref& who, const exit_reason& reason) {
  static constexpr const char* kinds[] = {"stopped", "failed",        "killed",
                                          "linked",  "no_such_actor", "unreachable"};
  owned ref(new_ref(in, who));
  owned text(reason_text(reason));
  if (!ref || !text) return nullptr;
  return PyObject_CallMethod(in.support, make, "OsO", ref.get(),
                             kinds[static_cast<std::size_t>(reason.kind)], text.get());
}

/// Calls a function of `odeon._interop`: cold paths.
template <class... As>
owned interop_call(const char* function, const char* format, As... as) {
  owned module(PyImport_ImportModule("odeon._interop"));
  return module ? owned(PyObject_CallMethod(module.get(), function, format, as...)) : owned();
}

/// The text of the exception that is set, which is cleared.
std::string taken_text() {
  owned exc(take_exception());
  std::string out;
  owned s(exc ? PyObject_Str(exc.get()) : nullptr);
  if (!s || !read_text(s.get(), "text", out)) PyErr_Clear();
  return out;
}

/// What arrived cannot be made an object: told, and its asker as well. The sender's fault, or this
/// program's: no failure of the actor. Null; the exception that was set is cleared.
PyObject* unreadable(interp&, py_actor& a, detail::envelope& e) {
  const std::string text =
      a.cell().path() + " cannot read " + std::string(e.type->name) + ": " + taken_text();
  if (detail::ask_state_base* ask = e.ask()) ask->fail({errc::bad_encoding, text});
  owned told =
      interop_call("not_readable", "s#", text.data(), static_cast<Py_ssize_t>(text.size()));
  if (!told) PyErr_Clear();
  return nullptr;
}

PyObject* arrived(interp& in, py_actor& a, detail::envelope& e) {
  const detail::system_anchor* far = is_far_message(*e.type) ? &a.cell().system() : nullptr;
  PyObject* made = decode_object(in, body_in(e), far);
  return made ? made : unreadable(in, a, e);
}

std::shared_ptr<waiting_count> quota_of(const detail::cell& to) {
  return is_python(to) ? static_cast<host&>(to.where()).waiting : nullptr;
}

// -- C++ actors ----------------------------------------------------------------------------------

/// What the system of `c` knows of travelling messages; null: the system has ended.
message_table* table_of(const detail::cell& c) {
  if (!detail::runtime_of(c.system())) return nullptr;
  return &messages_of(actor_system::of(c.system()));
}

/// Bytes of C++ as an object; those without a name are a plain value.
PyObject* object_of(interp& in, const wire::tagged& from) noexcept {
  PyObject* codec = codec_of(in);
  if (!codec) return nullptr;
  return guarded(in, [&] {
    const std::string_view manifest = from.manifest.empty() ? plain_value : from.manifest;
    return codec_decode(codec, manifest, from.version, from.payload, nullptr, codec_plain);
  });
}

wire::tagged_view view_of(const encoded_body& body) noexcept {
  return {body.manifest, body.version, wire::format::msgpack, body.payload};
}

/// The message as its C++ type, for an actor of C++; null with an exception set.
detail::envelope* typed_envelope(interp& in, detail::cell& to, PyObject* message, bool extra,
                                 const detail::travelling*& known) {
  message_table* table = table_of(to);
  if (!table) {
    raise(in, error(errc::system_stopped, "the actor system has ended"));
    return nullptr;
  }
  encoded_payload body = encode_object(in, message);
  if (!body) return nullptr;
  known = table->find(body->manifest);
  if (!known) {
    raise(in, error(errc::no_codec, std::string(Py_TYPE(message)->tp_name) + " cannot be sent to " +
                                        to.path() + ": its manifest \"" + body->manifest +
                                        "\" is none of the C++ messages of the system"));
    return nullptr;
  }
  if (!to.accepts(*known->type)) {
    raise(in, error(errc::wrong_type,
                    to.path() + " has no handler for " + std::string(known->manifest)));
    return nullptr;
  }
  const detail::travel_context context(to.system());
  auto made = known->read(view_of(*body), extra, context.get());
  if (!made) {
    raise(in, error(errc::no_codec, body->manifest + " cannot be sent to " + to.path() + ": " +
                                        std::string(made.error().text())));
    return nullptr;
  }
  detail::stamp(**made);
  return *made;
}

PyObject* ask_typed(interp& in, runtime& rt, detail::cell& to, PyObject* message, duration limit) {
  const detail::travelling* known = nullptr;
  detail::envelope* e = typed_envelope(in, to, message, false, known);
  if (!e) return nullptr;
  if (!known->ask) {
    detail::lose(to, *e, {errc::invalid_argument, "it is no request"});
    return raise(in, error(errc::invalid_argument,
                           std::string(known->manifest) + " is no request: it has no reply"));
  }
  auto [ask, done] = make_awaitable(in, rt);
  if (!ask) {
    detail::lose(to, *e, {errc::internal, "no memory"});
    return nullptr;
  }
  auto shared = std::make_shared<completion>(std::move(done));
  known->ask(to, *e, limit, [shared](result<wire::tagged> r) {
    if (!r) return shared->fail(std::move(r).error());
    auto reply = std::make_shared<wire::tagged>(*std::move(r));
    shared->set([reply](interp& taker) { return object_of(taker, *reply); });
  });
  return ask;
}

/// A message of C++ that the table knows; null without an exception: it does not.
PyObject* typed_to_python(interp& in, py_actor& a, detail::envelope& e, bool& wanted) {
  wanted = true;
  const auto& table = messages_of(actor_system::of(a.cell().system()));
  const detail::travelling* known = table.find(*e.type);
  if (!known) return nullptr;
  const detail::travel_context context(a.cell().system());
  auto made = known->write(e.payload(), context.get());
  PyObject* object = made ? object_of(in, *made) : raise(in, made.error());
  return object ? object : unreadable(in, a, e);
}

/// The message as an envelope for `to`; null with an exception set.
detail::envelope* envelope_for(interp& in, detail::cell& to, PyObject* message, bool extra) {
  if (detail::far_target_of(to)) {
    encoded_payload body = encode_object(in, message, &to.system());
    if (!body) return nullptr;
    detail::envelope* e = make_far_envelope(std::move(body), extra);
    detail::stamp(*e);
    return e;
  }
  if (is_python(to) && &static_cast<host&>(to.where()).home() == &in) {
    // It stands for an actor elsewhere: what is to be sent there is made now.
    owned made(PyObject_CallOneArg(class_of(to).outgoing, message));
    if (!made) return nullptr;
    detail::envelope* e = make_py_envelope(in, made.release(), extra);
    detail::stamp(*e);
    return e;
  }
  if (!is_python(to) && !is_mixed_router(to)) {
    const detail::travelling* known = nullptr;
    return typed_envelope(in, to, message, extra, known);
  }
  encoded_payload body = encode_object(in, message);
  if (!body) return nullptr;
  if (auto quota = quota_of(to)) {
    // Counted before it is looked at: senders on several threads never exceed it together.
    if (quota->now.fetch_add(1, std::memory_order_relaxed) >= quota->most && quota->most) {
      quota->now.fetch_sub(1, std::memory_order_relaxed);
      static_cast<void>(interop_call("quota_exceeded", "sn", to.path().c_str(),
                                     static_cast<Py_ssize_t>(quota->most)));
      return nullptr;
    }
    body->counted = std::move(quota);
  }
  detail::envelope* e = make_encoded_envelope(std::move(body), extra);
  detail::stamp(*e);
  return e;
}

}  // namespace

PyObject* message_to_python(interp& in, py_actor& a, detail::envelope& e, bool& wanted) noexcept {
  const auto is = [&e]<class M>(std::type_identity<M>) {
    return e.type == &detail::message_type_of<M>;
  };
  return guarded(in, [&]() -> PyObject* {
    if (is_encoded(*e.type)) return arrived(in, a, e);
    if (is(std::type_identity<terminated>())) {
      const auto& m = *static_cast<terminated*>(e.payload());
      return signal(in, "terminated", m.ref, m.reason);
    }
    if (is(std::type_identity<exit_signal>())) {
      const auto& m = *static_cast<exit_signal*>(e.payload());
      return signal(in, "exit_signal", m.from, m.reason);
    }
    if (is(std::type_identity<receive_timeout>()))
      return PyObject_CallMethod(in.support, "receive_timeout", nullptr);
    if (PyObject* made = durable_to_python(in, e); made || PyErr_Occurred()) return made;
    if (PyObject* made = event_to_python(in, e); made || PyErr_Occurred()) return made;
    wanted = !e.type->signal;
    return wanted && !is_py_message(*e.type) ? typed_to_python(in, a, e, wanted) : nullptr;
  });
}

// -- sending -------------------------------------------------------------------------------------

namespace {

/// Routers with members elsewhere: held until they have ended.
detail::spin_lock mixed_lock;
std::atomic<std::size_t> mixed_count{0};
std::vector<any_ref>& mixed_routers() {
  static auto* all = new std::vector<any_ref>;  // threads of other systems may outlive main
  return *all;
}

}  // namespace

void note_member(interp& in, detail::cell& router, const detail::cell& member) {
  const bool here = !is_python(member) || (&static_cast<host&>(member.where()).home() == &in &&
                                           !class_of(member).outgoing);
  if (here || is_mixed_router(router)) return;
  std::vector<any_ref> ended;  // given up without the lock
  any_ref made = any_ref::share(&router);
  const detail::spin_guard guard(mixed_lock);
  auto& all = mixed_routers();
  all.reserve(all.size() + 1);
  ended.reserve(all.size());
  std::erase_if(all, [&](any_ref& r) {
    if (!r.is_terminated()) return false;
    ended.push_back(std::move(r));
    return true;
  });
  all.push_back(std::move(made));
  mixed_count.store(all.size(), std::memory_order_relaxed);  // who routes there knows of it already
}

bool is_mixed_router(const detail::cell& c) noexcept {
  if (mixed_count.load(std::memory_order_relaxed) == 0) return false;
  const detail::spin_guard guard(mixed_lock);
  return std::ranges::any_of(mixed_routers(), [&](const any_ref& r) { return r.get() == &c; });
}

int send_foreign(interp& in, detail::cell& to, PyObject* message, const tell_options* options) {
  tell_options routed = options ? *options : tell_options{};
  if (!is_python(to) && routed.key == 0) {
    if (!find_routing_key(in, to, message, routed.key)) return -1;
    if (routed.key) options = &routed;
  }
  detail::envelope* e = envelope_for(in, to, message, options != nullptr);
  if (!e) return -1;
  if (options) detail::set_options(*e, to, *options);
  if (to.extension_if() && !detail::this_ambient && detail::tell_may_wait(to)) {
    const detached out;
    to.deliver(*e);
  } else {
    to.deliver(*e);
  }
  return 0;
}

PyObject* ask_foreign(interp& in, detail::cell& to, PyObject* message, duration limit) {
  runtime* rt = detail::runtime_of(to.system());
  if (!rt) return raise(in, error(errc::system_stopped, "the actor system has ended"));
  if (!is_python(to) && !is_mixed_router(to) && !detail::far_target_of(to))
    return ask_typed(in, *rt, to, message, limit);
  tell_options routed;
  if (!is_python(to) && !find_routing_key(in, to, message, routed.key)) return nullptr;
  detail::envelope* e = envelope_for(in, to, message, routed.key != 0);
  if (!e) return nullptr;
  if (routed.key) detail::set_options(*e, to, routed);
  auto* s = new py_ask_state();
  s->trace = e->trace;
  s->begin(to, *e->type, true);
  if (limit >= duration(0)) s->set_timeout(limit);
  e->from = s;
  e->flags |= detail::envelope::is_ask;
  to.deliver(*e);
  return new_ask(in, *rt, s);
}

// -- answering -----------------------------------------------------------------------------------

bool asked_here(const detail::ask_state_base& ask) noexcept {
  return !ask.type || is_py_message(*ask.type);
}

namespace {

/// The message of C++ that was asked with; null: one of Python.
const detail::travelling* asked_with(const detail::ask_state_base& ask) {
  if (asked_here(ask) || is_encoded(*ask.type) || !ask.system) return nullptr;
  return messages_of(actor_system::of(*ask.system)).find(*ask.type);
}

}  // namespace

bool give_reply(interp& in, detail::ask_state_base& ask, PyObject* value) {
  if (asked_here(ask)) return detail::fulfil<py_value>(ask, py_handle(in, Py_NewRef(value)));
  const detail::system_anchor* far = is_far_message(*ask.type) ? ask.system : nullptr;
  encoded_payload body = encode_object(in, value, far);
  if (!body) {
    ask.fail({errc::no_codec, "the reply cannot be sent to the asker: " + taken_text()});
    return false;
  }
  if (const detail::travelling* known = asked_with(ask)) {
    const detail::travel_context context(*ask.system);
    auto taken = known->settle(ask, view_of(*body), context.get());
    return taken && *taken;
  }
  return detail::fulfil<py_value>(ask, py_value(decoded_later{std::move(body), far}));
}

bool give_failure(interp& in, detail::ask_state_base& ask, PyObject* exception, std::string text) {
  if (asked_here(ask)) {
    auto held = std::make_shared<py_handle>(in, Py_NewRef(exception));
    return detail::fulfil<py_value>(ask, [held, text](interp& taker) -> PyObject* {
      return raise_from(taker, error(errc::handler_failed, text), Py_NewRef(held->get()));
    });
  }
  if (asked_with(ask) || is_far_message(*ask.type))
    return ask.fail({errc::handler_failed, std::move(text)});
  // The class's path, and the traceback as text: the object stays here.
  std::string path;
  std::string trace;
  owned told = interop_call("exception_texts", "O", exception);
  if (!told || !PyTuple_Check(told.get()) ||
      !read_text(PyTuple_GET_ITEM(told.get(), 0), "a class path", path) ||
      !read_text(PyTuple_GET_ITEM(told.get(), 1), "a traceback", trace))
    PyErr_Clear();
  return detail::fulfil<py_value>(ask, [text = std::move(text), path, trace](interp&) -> PyObject* {
    return interop_call("raise_remote", "s#s#s#", text.data(), static_cast<Py_ssize_t>(text.size()),
                        path.data(), static_cast<Py_ssize_t>(path.size()), trace.data(),
                        static_cast<Py_ssize_t>(trace.size()))
        .release();
  });
}

// -- references ----------------------------------------------------------------------------------

namespace {

struct known_systems {
  std::mutex mutex;
  std::vector<actor_system*> all;
};
known_systems& systems() {
  static auto* of_process = new known_systems;  // threads of other systems may outlive main
  return *of_process;
}

PyObject* ref_to_text(PyObject* module, PyObject* o) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    const any_ref ref = read_ref(in, o);
    if (!ref) return nullptr;
    if (detail::far_target_of(*ref.get())) return text_of(ref.path());
    if (const auto* far = far_system()) {
      auto address = far_address_of(*far, ref);
      return address ? text_of(address->to_string()) : raise(in, address.error());
    }
    auto& known = systems();
    std::lock_guard guard(known.mutex);
    for (actor_system* s : known.all) {
      if (&s->anchor() != &ref.get()->system()) continue;
      auto address = local_resolver(*s).address_of(ref);
      return address ? text_of(address->to_string()) : raise(in, address.error());
    }
    return raise(in, error(errc::system_stopped, "the system of " + ref.path() + " has ended"));
  });
}

PyObject* ref_from_text(PyObject* module, PyObject* o) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    std::string text;
    if (!read_text(o, "an address", text)) return nullptr;
    auto address = address::parse(text);
    if (!address) return raise(in, address.error());
    if (const auto* far = far_system()) {
      auto found = resolve_far(*far, *address);
      return found ? new_ref(in, *std::move(found)) : raise(in, found.error());
    }
    any_ref found;
    {
      auto& known = systems();
      std::lock_guard guard(known.mutex);
      for (actor_system* s : known.all) {
        if (s->name() != address->system) continue;
        if (auto r = local_resolver(*s).resolve(*address, {}); r && *r) found = *std::move(r);
      }
    }
    if (!found) return raise(in, error(errc::no_such_actor, "nothing lives at " + text));
    return new_ref(in, std::move(found));
  });
}

PyObject* system_capsule(PyObject* module, PyObject* o) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  actor_system* s = system_in(in, o);
  return s ? PyCapsule_New(s, "odeon.actor_system", nullptr) : nullptr;
}

PyObject* ref_capsule(PyObject* module, PyObject* o) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    any_ref ref = read_ref(in, o);
    if (!ref) return nullptr;
    auto* held = new any_ref(std::move(ref));
    PyObject* capsule = PyCapsule_New(held, "odeon.any_ref", [](PyObject* c) {
      delete static_cast<any_ref*>(PyCapsule_GetPointer(c, "odeon.any_ref"));
    });
    if (!capsule) delete held;
    return capsule;
  });
}

PyObject* ref_of_capsule(PyObject* module, PyObject* capsule) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  auto* held = static_cast<any_ref*>(PyCapsule_GetPointer(capsule, "odeon.any_ref"));
  return held ? guarded(in, [&] { return new_ref(in, *held); }) : nullptr;
}

/// Message types are told apart by their addresses: modules of C++ that are loaded from here on
/// take those of this one in place of their own.
PyObject* share_symbols(PyObject*, PyObject*) {
  Dl_info where{};
  if (dladdr(reinterpret_cast<void*>(&share_symbols), &where) == 0 ||
      !dlopen(where.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL)) {
    PyErr_SetString(PyExc_OSError, "the symbols of odeon._native cannot be shared");
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyMethodDef interop_functions[] = {{"_system_capsule", &system_capsule, METH_O, nullptr},
                                   {"_ref_capsule", &ref_capsule, METH_O, nullptr},
                                   {"_ref_of_capsule", &ref_of_capsule, METH_O, nullptr},
                                   {"_share_symbols", &share_symbols, METH_NOARGS, nullptr},
                                   {"_ref_to_text", &ref_to_text, METH_O, nullptr},
                                   {"_ref_from_text", &ref_from_text, METH_O, nullptr},
                                   {}};

}  // namespace

void note_system(actor_system& system) {
  auto& known = systems();
  std::lock_guard guard(known.mutex);
  known.all.push_back(&system);
}

void forget_system(actor_system& system) noexcept {
  auto& known = systems();
  std::lock_guard guard(known.mutex);
  std::erase(known.all, &system);
}

bool add_interop_functions(PyObject* module) noexcept {
  return PyModule_AddFunctions(module, interop_functions) == 0;
}

}  // namespace odeon::python
