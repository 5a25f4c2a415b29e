#include "spawn.hpp"

#include "dispatcher.hpp"
#include "failure.hpp"
#include "ref.hpp"
#include "routing.hpp"
#include "system.hpp"

namespace odeon::python {

namespace {

bool is(PyObject* name, PyObject* known) noexcept {
  return name == known || PyUnicode_Compare(name, known) == 0;
}

bool read_overflow(const std::string& text, overflow& out) {
  static constexpr std::pair<const char*, overflow> all[] = {{"drop_newest", overflow::drop_newest},
                                                             {"drop_oldest", overflow::drop_oldest},
                                                             {"fail", overflow::fail},
                                                             {"dead_letter", overflow::dead_letter},
                                                             {"block", overflow::block}};
  for (const auto& [name, value] : all) {
    if (text != name) continue;
    out = value;
    return true;
  }
  PyErr_Format(PyExc_ValueError,
               "overflow is drop_newest, drop_oldest, fail, dead_letter or block, not %s",
               text.c_str());
  return false;
}

/// `odeon.Mailbox`: kind, capacity, overflow, high_water.
bool read_mailbox(PyObject* o, mailbox_options& out) {
  const auto text_field = [&](const char* field, std::string& text) {
    owned v(PyObject_GetAttrString(o, field));
    return v && read_text(v.get(), field, text);
  };
  const auto number_field = [&](const char* field, std::size_t& n) {
    owned v(PyObject_GetAttrString(o, field));
    if (!v) return false;
    n = PyLong_AsSize_t(v.get());
    return !PyErr_Occurred();
  };
  std::string kind;
  std::string what;
  if (!text_field("kind", kind) || !text_field("overflow", what)) return false;
  if (kind == "bounded")
    out.kind = mailbox_kind::bounded;
  else if (kind == "priority")
    out.kind = mailbox_kind::priority;
  else if (kind != "unbounded") {
    PyErr_Format(PyExc_ValueError, "a mailbox is unbounded, bounded or priority, not %s",
                 kind.c_str());
    return false;
  }
  return number_field("capacity", out.capacity) && number_field("high_water", out.high_water) &&
         read_overflow(what, out.overflow);
}

bool read_tags(PyObject* o, std::vector<std::string>& out) {
  owned all(PySequence_Fast(o, "tags are texts"));
  for (Py_ssize_t i = 0; all && i < PySequence_Fast_GET_SIZE(all.get()); ++i)
    if (!read_text(PySequence_Fast_GET_ITEM(all.get(), i), "a tag", out.emplace_back()))
      return false;
  return static_cast<bool>(all);
}

enum class known { no, yes, bad };

/// One option by name.
known read_option(interp& in, PyObject* name, PyObject* value, spawn_options& out) {
  const names& n = in.name;
  const auto ok = [](bool good) { return good ? known::yes : known::bad; };
  const bool none = value == Py_None;
  if (is(name, n.name)) return ok(none || read_text(value, "a name", out.name));
  if (is(name, n.dispatcher)) return ok(none || read_text(value, "a dispatcher", out.dispatcher));
  if (is(name, n.supervision)) return ok(read_supervision(in, value, out.supervision));
  if (is(name, n.mailbox)) return ok(none || read_mailbox(value, out.mailbox));
  if (is(name, n.router)) {
    if (none) return known::yes;
    out.router = to_router(in, value);
    return ok(static_cast<bool>(out.router));
  }
  if (is(name, n.tags)) return ok(none || read_tags(value, out.tags));
  if (is(name, n.receive_timeout))
    return ok(none || read_seconds(value, "a receive timeout", out.receive_timeout));
  if (is(name, n.stash_capacity)) {
    out.stash_capacity = PyLong_AsSize_t(value);
    return ok(!PyErr_Occurred());
  }
  if (is(name, n.call_cycle)) {
    std::string text;
    if (!read_text(value, "call_cycle", text)) return known::bad;
    if (text == "allow_in_chain")
      out.call_cycle = call_cycle::allow_in_chain;
    else if (text != "deny") {
      PyErr_SetString(PyExc_ValueError, "call_cycle is deny or allow_in_chain");
      return known::bad;
    }
    return known::yes;
  }
  return known::no;
}

/// What the constructor is called with: `Props`, or a class and its arguments.
struct recipe {
  PyObject* cls = nullptr;  // borrowed
  owned parts;
  owned args;
  owned kwargs;
};

bool read_recipe(interp& in, PyObject* const* args, Py_ssize_t n, recipe& out) {
  if (n < 1) {
    PyErr_SetString(PyExc_TypeError, "spawn takes a class of actors, a Props or a behaviour");
    return false;
  }
  if (PyType_Check(args[0])) {
    out.cls = args[0];
    out.args = owned(PyTuple_New(n - 1));
    if (!out.args) return false;
    for (Py_ssize_t i = 1; i < n; ++i) PyTuple_SET_ITEM(out.args.get(), i - 1, Py_NewRef(args[i]));
    return true;
  }
  owned rest(PyTuple_New(n - 1));
  if (!rest) return false;
  for (Py_ssize_t i = 1; i < n; ++i) PyTuple_SET_ITEM(rest.get(), i - 1, Py_NewRef(args[i]));
  out.parts = owned(PyObject_CallMethod(in.support, "recipe", "OO", args[0], rest.get()));
  if (!out.parts) return false;
  out.cls = PyTuple_GET_ITEM(out.parts.get(), 0);
  out.args = owned::share(PyTuple_GET_ITEM(out.parts.get(), 1));
  out.kwargs = owned(PyDict_Copy(PyTuple_GET_ITEM(out.parts.get(), 2)));
  return static_cast<bool>(out.kwargs);
}

}  // namespace

PyObject* spawn_from_python(interp& in, actor_system& system, detail::cell* parent,
                            const std::shared_ptr<host>& at, PyObject* const* args, Py_ssize_t n,
                            PyObject* kwnames) {
  recipe r;
  if (!read_recipe(in, args, n, r)) return nullptr;
  spawn_options options;
  bool plain = true;  // no option is set: the cell has no more than its object
  for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); ++i) {
    PyObject* name = PyTuple_GET_ITEM(kwnames, i);
    const known k = read_option(in, name, args[n + i], options);
    if (k == known::bad) return nullptr;
    if (k == known::yes) {
      plain = plain && is(name, in.name.dispatcher);
      continue;
    }
    if (!r.kwargs && !(r.kwargs = owned(PyDict_New()))) return nullptr;
    if (PyDict_SetItem(r.kwargs.get(), name, args[n + i]) != 0) return nullptr;
  }
  py_class* cls = class_for(in, r.cls);
  if (!cls) return nullptr;
  std::shared_ptr<host> where = options.dispatcher.empty() ? at : nullptr;
  if (!where) {
    if (auto pool = dispatcher_named(system, options.dispatcher))
      return pool->spawn(in, system, parent, r.cls, r.args.get(), r.kwargs.get(), options);
    where = host_named(system, options.dispatcher);
    if (where && &where->home() != &in)
      return spawn_remote(in, system, parent, r.cls, r.args.get(), r.kwargs.get(), std::move(where),
                          options, nullptr);
    if (!where)
      return raise(in, error(errc::invalid_argument,
                             "no dispatcher for Python named \"" + options.dispatcher + "\""));
  }
  std::shared_ptr<actor_props> props;
  const bool bare = !r.kwargs && PyTuple_GET_SIZE(r.args.get()) == 0;
  if (bare) props = cls->plain.lock();
  if (!props || props->at != where) {
    props =
        std::make_shared<actor_props>(in, *cls, std::move(where), py_handle(in, r.args.release()),
                                      py_handle(in, r.kwargs.release()));
    if (bare) cls->plain = props;
  }
  try {
    return new_ref(
        in, spawn_actor(system.anchor(), parent, std::move(props), plain ? nullptr : &options));
  } catch (const actor_error& e) {
    return raise_from(in, e.reason(),
                      e.reason().code() == errc::spawn_failed ? take_spawn_cause() : nullptr);
  }
}

}  // namespace odeon::python
