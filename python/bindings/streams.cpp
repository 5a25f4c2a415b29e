#include "streams.hpp"

#include "context.hpp"
#include "module.hpp"
#include "system.hpp"

namespace odeon::python {

void throw_python(interp& in) { throw python_error(in); }

void plan::materialize(PyObject* value) const {
  const item held = checked(in, value);
  if (values && PyList_Append(values, held.get()) != 0) throw_python(in);
}

void fail_with(completion& done, const std::exception_ptr& why) {
  done.set([why](interp& in) -> PyObject* {
    if (PyObject* e = exception_of(in, why)) set_exception(e);
    return nullptr;
  });
}

// -- arguments -----------------------------------------------------------------------------------

PyObject* op_args::at(Py_ssize_t i) const {
  if (PyObject* o = PyTuple_GetItem(op_, i + 1)) return o;
  throw_python(in_);
}

std::size_t op_args::size(Py_ssize_t i) const {
  const std::size_t n = PyLong_AsSize_t(at(i));
  if (n == static_cast<std::size_t>(-1) && PyErr_Occurred()) throw_python(in_);
  return n;
}

duration op_args::seconds(Py_ssize_t i) const {
  duration d{};
  if (!read_seconds(at(i), "a duration", d)) throw_python(in_);
  return d;
}

std::string op_args::text(Py_ssize_t i) const {
  std::string s;
  if (!read_text(at(i), "the argument", s)) throw_python(in_);
  return s;
}

double op_args::number(Py_ssize_t i) const {
  const double n = PyFloat_AsDouble(at(i));
  if (n == -1.0 && PyErr_Occurred()) throw_python(in_);
  return n;
}

std::vector<PyObject*> op_args::rest(Py_ssize_t i) const {
  std::vector<PyObject*> all;
  for (; i + 1 < PyTuple_GET_SIZE(op_); ++i) all.push_back(at(i));
  return all;
}

st::on_full read_on_full(interp& in, const std::string& text) {
  static constexpr std::pair<const char*, st::on_full> all[] = {
      {"wait", st::on_full::wait},
      {"drop_newest", st::on_full::drop_newest},
      {"drop_oldest", st::on_full::drop_oldest},
      {"drop_all", st::on_full::drop_all},
      {"fail", st::on_full::fail}};
  for (const auto& [name, value] : all)
    if (text == name) return value;
  PyErr_Format(PyExc_ValueError,
               "overflow is wait, drop_newest, drop_oldest, drop_all or fail, not %s",
               text.c_str());
  throw_python(in);
}

// -- building ------------------------------------------------------------------------------------

namespace {

template <class Op>
const Op* find_in(std::string_view name, std::initializer_list<std::span<const Op>> tables) {
  for (const auto& table : tables)
    for (const Op& op : table)
      if (op.name == name) return &op;
  return nullptr;
}

/// The number of operations; throws when it is no tuple of tuples, or shorter
/// than `least`.
Py_ssize_t count_of(interp& in, PyObject* ops, Py_ssize_t least) {
  if (!PyTuple_Check(ops) || PyTuple_GET_SIZE(ops) < least) {
    PyErr_SetString(PyExc_TypeError, "a stream is described by a tuple of operations");
    throw_python(in);
  }
  return PyTuple_GET_SIZE(ops);
}

std::pair<std::string, PyObject*> op_at(interp& in, PyObject* ops, Py_ssize_t i) {
  PyObject* op = PyTuple_GET_ITEM(ops, i);
  std::string name;
  if (!PyTuple_Check(op) || PyTuple_GET_SIZE(op) == 0) {
    PyErr_SetString(PyExc_TypeError, "an operation is a tuple that begins with its name");
    throw_python(in);
  }
  if (!read_text(PyTuple_GET_ITEM(op, 0), "the name of an operation", name)) throw_python(in);
  return {std::move(name), op};
}

[[noreturn]] void throw_unknown(interp& in, const std::string& name, const char* what) {
  PyErr_Format(PyExc_TypeError, "'%s' is no %s of streams", name.c_str(), what);
  throw_python(in);
}

const flow_op* flow_named(std::string_view name) {
  return find_in<flow_op>(
      name, {basic_flows(), timed_flows(), async_flows(), combining_flows(), nested_flows(),
             control_flows(), part_flows(), byte_flows(), tcp_flows()});
}

erased build_flows(plan& p, erased up, PyObject* ops, Py_ssize_t from, Py_ssize_t to) {
  for (Py_ssize_t i = from; i < to; ++i) {
    const auto [name, op] = op_at(p.in, ops, i);
    const flow_op* found = flow_named(name);
    if (!found) throw_unknown(p.in, name, "flow");
    up = found->make(p, std::move(up), op_args(p.in, op));
  }
  return up;
}

}  // namespace

erased build_source(plan& p, PyObject* ops) {
  const Py_ssize_t n = count_of(p.in, ops, 1);
  const auto [name, op] = op_at(p.in, ops, 0);
  const source_op* found =
      find_in<source_op>(name, {basic_sources(), queue_sources(), hub_sources(), nested_sources(),
                                part_sources(), byte_sources(), tcp_sources(), graph_sources()});
  if (!found) throw_unknown(p.in, name, "source");
  return build_flows(p, found->make(p, op_args(p.in, op)), ops, 1, n);
}

erased build_flow(plan& p, erased up, PyObject* ops) {
  return build_flows(p, std::move(up), ops, 0, count_of(p.in, ops, 0));
}

PyObject* build_sink(plan& p, erased up, PyObject* ops) {
  const Py_ssize_t n = count_of(p.in, ops, 1);
  const auto [name, op] = op_at(p.in, ops, n - 1);
  const sink_op* found = find_in<sink_op>(name, {basic_sinks(), queue_sinks(), hub_sinks(),
                                                 combining_sinks(), byte_sinks(), tcp_sinks()});
  if (!found) throw_unknown(p.in, name, "sink");
  up = cancelled_with(p, build_flows(p, std::move(up), ops, 0, n - 1));
  return found->attach(p, std::move(up), op_args(p.in, op));
}

bool is_one_for_one(interp& in, PyObject* ops) {
  const Py_ssize_t n = count_of(in, ops, 0);
  for (Py_ssize_t i = 0; i < n; ++i) {
    const flow_op* found = flow_named(op_at(in, ops, i).first);
    if (!found || !found->one_for_one) return false;
  }
  return true;
}

// -- handles -------------------------------------------------------------------------------------

namespace {

constexpr const char* handle_name = "odeon.stream_handle";
using held_handle = std::shared_ptr<stream_handle>;

void free_handle(PyObject* capsule) {
  const entry in_layer;
  delete static_cast<held_handle*>(PyCapsule_GetPointer(capsule, handle_name));
}

}  // namespace

PyObject* new_handle(std::shared_ptr<stream_handle> h) {
  auto held = std::make_unique<held_handle>(std::move(h));
  PyObject* capsule = PyCapsule_New(held.get(), handle_name, &free_handle);
  if (capsule) static_cast<void>(held.release());
  return capsule;
}

std::shared_ptr<stream_handle> handle_in(PyObject* capsule) noexcept {
  auto* held = static_cast<held_handle*>(PyCapsule_GetPointer(capsule, handle_name));
  if (held) return *held;
  PyErr_SetString(PyExc_TypeError, "no handle of a stream");
  return nullptr;
}

// -- running -------------------------------------------------------------------------------------

runner::runner(interp& in, PyObject* who, PyObject* dispatcher, PyObject* name) {
  if (Py_IS_TYPE(who, in.context_type)) {
    auto& c = *reinterpret_cast<context_object*>(who);
    if (!c.actor) throw actor_error(errc::actor_stopped, c.cell->path() + " has ended");
    host& at = *c.actor->props().at;
    if (!at.is_current())
      throw actor_error(errc::invalid_argument,
                        "a stream of an actor is run on that actor's thread");
    parent = &c.actor->ctx();
    system = &parent->system();
    options.dispatcher = at.name();
  } else {
    system = system_in(in, who);
    if (!system) throw_python(in);
    options.dispatcher = reinterpret_cast<system_object*>(who)->main->name();
  }
  if (dispatcher != Py_None && !read_text(dispatcher, "a dispatcher", options.dispatcher))
    throw_python(in);
  if (name != Py_None && !read_text(name, "a name", options.name)) throw_python(in);
  const auto at = host_named(*system, options.dispatcher);
  if (!at || &at->home() != &in)
    throw actor_error(errc::invalid_argument,
                      "a stream runs on a loop or a thread of this interpreter, not on '" +
                          options.dispatcher + "'");
}

namespace {

/// stream_run(system or context, source, sink, dispatcher, name, work, switch) → (result of the
/// sink, values)
PyObject* stream_run(PyObject* module, PyObject* const* args, Py_ssize_t n) {
  const entry in_layer;
  interp& in = interp_of_module(module);
  if (n != 7) {
    PyErr_SetString(PyExc_TypeError, "stream_run takes seven arguments");
    return nullptr;
  }
  return guarded(in, [&]() -> PyObject* {
    runner by(in, args[0], args[3], args[4]);
    owned values(PyList_New(0));
    if (!values) return nullptr;
    auto things = std::make_shared<const stream_things>(
        stream_things{item::share(in, args[5]), by.options.dispatcher, item::share(in, args[6])});
    const auto start = [&](st::materializer& m) -> PyObject* {
      plan p{in, m, std::move(things), values.get()};
      owned result(build_sink(p, build_source(p, args[1]), args[2]));
      if (!result) return nullptr;
      m.start();
      return PyTuple_Pack(2, result.get(), values.get());
    };
    if (by.parent) {
      st::materializer m(*by.parent, std::move(by.options));
      return start(m);
    }
    st::materializer m(*by.system, std::move(by.options));
    return start(m);
  });
}

PyObject* stream_kind(PyObject*, PyObject* capsule) {
  const auto h = handle_in(capsule);
  return h ? PyUnicode_FromString(h->kind()) : nullptr;
}

PyMethodDef functions[] = {
    {"stream_kind", &stream_kind, METH_O, nullptr},
    {"stream_run", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&stream_run)),
     METH_FASTCALL, nullptr},
    {},
};

}  // namespace

bool add_stream_functions(PyObject* module) {
  return PyModule_AddFunctions(module, functions) == 0 &&
         PyModule_AddFunctions(module, queue_functions()) == 0 &&
         PyModule_AddFunctions(module, pull_functions()) == 0 &&
         PyModule_AddFunctions(module, hub_functions()) == 0 &&
         PyModule_AddFunctions(module, control_functions()) == 0 &&
         PyModule_AddFunctions(module, graph_functions()) == 0 &&
         PyModule_AddFunctions(module, tcp_functions()) == 0;
}

}  // namespace odeon::python
