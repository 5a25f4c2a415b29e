/// @file Graphs: nodes with ports, and edges between them. `odeon.streams.Graph` describes one as a
/// tuple of nodes (kind, name, …) and a tuple of edges (from, outlet, to, inlet); the graph of C++
/// is made of it anew for each check and each run.

#include "streams.hpp"
#include <odeon/stream/graph.hpp>

namespace odeon::python {

namespace {

/// What the nodes of one run share; null fields: it is only checked.
struct graph_things {
  std::shared_ptr<const stream_things> things;
  item values;  // a list
};
using graph_things_ptr = std::shared_ptr<const graph_things>;

plan plan_of(const graph_things& all, const item& ops, st::materializer& m) {
  return {ops.home(), m, all.things, all.values.get()};
}

struct node_source {
  using stream_source = void;
  using built_type = st::built<erased>;
  graph_things_ptr all;
  item ops;
  built_type build(st::materializer& m) && {
    plan p = plan_of(*all, ops, m);
    return {build_source(p, ops.get()), {}};
  }
};

template <bool OneForOne>
struct node_flow {
  using stream_flow = void;
  graph_things_ptr all;
  item ops;
  template <class Up>
  st::built<erased> attach(st::materializer& m, st::built<Up> b) && {
    plan p = plan_of(*all, ops, m);
    return {build_flow(p, make_stage<paced<Up>>(std::move(b.stage)), ops.get()), {}};
  }
};

struct node_sink {
  using stream_sink = void;
  graph_things_ptr all;
  item ops;
  template <class Up>
  std::tuple<item> attach(st::materializer& m, st::built<Up> b) && {
    plan p = plan_of(*all, ops, m);
    return {checked(p.in, build_sink(p, make_stage<paced<Up>>(std::move(b.stage)), ops.get()))};
  }
};

/// A source over inlets: operations that begin at them.
struct node_junction {
  graph_things_ptr all;
  item ops;
  std::string name;
  erased operator()(st::materializer& m,
                    std::vector<st::detail::channel_reader<item>> readers) const {
    using reader = st::detail::channel_reader<item>;
    plan p = plan_of(*all, ops, m);
    std::vector<std::optional<erased>> inlets;
    for (auto& r : readers) inlets.emplace_back(make_stage<paced<reader>>(std::move(r)));
    p.inlets = &inlets;
    erased out = build_source(p, ops.get());
    for (std::size_t i = 0; i < inlets.size(); ++i)
      if (inlets[i])
        throw actor_error(
            errc::invalid_argument,
            "graph: the function of '" + name + "' makes no use of inlet " + std::to_string(i));
    return out;
  }
};

}  // namespace

}  // namespace odeon::python

namespace odeon::stream::detail {
template <>
inline constexpr bool is_one_for_one<python::node_flow<true>> = true;
}  // namespace odeon::stream::detail

namespace odeon::python {

namespace {

constexpr source_op sources[] = {
    {"inlet",  // number
     [](plan& p, const op_args& a) {
       const std::size_t i = a.size(0);
       if (!p.inlets || i >= p.inlets->size() || !(*p.inlets)[i])
         throw actor_error(errc::invalid_argument,
                           "graph: an inlet is used once, by its own node's function");
       erased out = std::move(*(*p.inlets)[i]);
       (*p.inlets)[i].reset();
       return out;
     }},
};

/// The ports of one node.
struct node {
  std::vector<st::inlet<item>> in;
  std::vector<st::outlet<item>> out;
  std::shared_ptr<std::optional<item>> result;         // of a sink
  std::optional<st::flow_ports<item, item>> feedback;  // of one
};

class builder {
 public:
  builder(interp& in, graph_things_ptr all, std::size_t capacity)
      : graph(capacity),
        in_(in),
        all_(std::move(all)) {}

  void add_all(PyObject* described, PyObject* edges) {
    const std::size_t n = size_of(described), m = size_of(edges);
    for (std::size_t i = 0; i < n; ++i) add(PyTuple_GET_ITEM(described, to_signed(i)));
    for (std::size_t i = 0; i < m; ++i) connect(PyTuple_GET_ITEM(edges, to_signed(i)));
  }
  st::graph graph;
  std::vector<node> nodes;

 private:
  static Py_ssize_t to_signed(std::size_t n) noexcept { return static_cast<Py_ssize_t>(n); }
  std::size_t size_of(PyObject* tuple) const {
    const Py_ssize_t n = PyTuple_Size(tuple);
    if (n < 0) throw_python(in_);
    return static_cast<std::size_t>(n);
  }
  void fan_in(st::fan_in_ports<item> p) { nodes.push_back({std::move(p.in), {p.out}, {}, {}}); }
  void fan_out(st::fan_out_ports<item> p) { nodes.push_back({{p.in}, std::move(p.out), {}, {}}); }
  void flow(const st::flow_ports<item, item>& p) { nodes.push_back({{p.in}, {p.out}, {}, {}}); }

  void add(PyObject* described) {
    std::string kind;
    const std::size_t size = size_of(described);
    if (size < 3) {
      PyErr_SetString(PyExc_TypeError, "a node is a tuple (kind, name, …)");
      throw_python(in_);
    }
    if (!read_text(PyTuple_GET_ITEM(described, 0), "the kind of a node", kind)) throw_python(in_);
    const op_args a(in_, described);
    const std::string name = a.text(0);
    if (kind == "source") {
      nodes.push_back({{}, {graph.add_source(name, node_source{all_, a.object(1)})}, {}, {}});
    } else if (kind == "flow") {
      if (is_one_for_one(in_, a.at(1)))
        flow(graph.add_flow<item>(name, node_flow<true>{all_, a.object(1)}));
      else
        flow(graph.add_flow<item>(name, node_flow<false>{all_, a.object(1)}));
    } else if (kind == "sink") {
      auto p = graph.add_sink<item>(name, node_sink{all_, a.object(1)});
      nodes.push_back({{p.in}, {}, std::move(p.mat), {}});
    } else if (kind == "merge") {
      fan_in(graph.add_merge<item>(name, a.size(1)));
    } else if (kind == "concat") {
      fan_in(graph.add_concat<item>(name, a.size(1)));
    } else if (kind == "fan_in") {
      fan_in(graph.add_fan_in<item>(name, a.size(1), node_junction{all_, a.object(2), name}));
    } else if (kind == "broadcast") {
      fan_out(graph.add_broadcast<item>(name, a.size(1)));
    } else if (kind == "balance") {
      fan_out(graph.add_balance<item>(name, a.size(1)));
    } else if (kind == "partition") {
      fan_out(graph.add_partition<item>(name, a.size(1), number_of{a.call(2)}));
    } else if (kind == "feedback") {
      const auto p = graph.add_feedback<item>(name, a.size(1), read_on_full(in_, a.text(2)));
      flow(p);
      nodes.back().feedback = p;
    } else {
      PyErr_Format(PyExc_TypeError, "'%s' is no kind of node", kind.c_str());
      throw_python(in_);
    }
  }

  void connect(PyObject* edge) {
    std::size_t at[4];
    if (size_of(edge) != 4) {
      PyErr_SetString(PyExc_TypeError, "an edge is a tuple (from, outlet, to, inlet)");
      throw_python(in_);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      at[i] = PyLong_AsSize_t(PyTuple_GET_ITEM(edge, to_signed(i)));
      if (at[i] == static_cast<std::size_t>(-1) && PyErr_Occurred()) throw_python(in_);
    }
    if (at[0] >= nodes.size() || at[1] >= nodes[at[0]].out.size() || at[2] >= nodes.size() ||
        at[3] >= nodes[at[2]].in.size()) {
      PyErr_SetString(PyExc_IndexError, "an edge of a port that is not there");
      throw_python(in_);
    }
    graph.connect(nodes[at[0]].out[at[1]], nodes[at[2]].in[at[3]]);
  }

  interp& in_;
  graph_things_ptr all_;
};

/// stream_graph_check(nodes, edges) → (what is wrong, for each node whether its cycle ends)
PyObject* stream_graph_check(PyObject* module, PyObject* args) {
  const entry in_layer;
  PyObject *described = nullptr, *edges = nullptr;
  if (!PyArg_ParseTuple(args, "OO", &described, &edges)) return nullptr;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    builder b(in, std::make_shared<const graph_things>(graph_things{nullptr, item(in, nullptr)}),
              1);
    b.add_all(described, edges);
    const owned wrong(PyList_New(0)), ends(PyList_New(0));
    if (!wrong || !ends) return nullptr;
    for (const std::string& each : b.graph.check()) {
      const owned text(text_of(each));
      if (!text || PyList_Append(wrong.get(), text.get()) != 0) return nullptr;
    }
    for (const node& n : b.nodes)
      if (PyList_Append(ends.get(),
                        n.feedback && b.graph.ends_by_itself(*n.feedback) ? Py_True : Py_False) !=
          0)
        return nullptr;
    return PyTuple_Pack(2, wrong.get(), ends.get());
  });
}

/// stream_graph_run(system or context, nodes, edges, capacity, dispatcher, name, work, switch) → (a
/// tuple of the sinks' results, values)
PyObject* stream_graph_run(PyObject* module, PyObject* args) {
  const entry in_layer;
  PyObject *who = nullptr, *described = nullptr, *edges = nullptr, *dispatcher = nullptr;
  PyObject *name = nullptr, *work = nullptr, *cancel = nullptr;
  Py_ssize_t capacity = 0;
  if (!PyArg_ParseTuple(args, "OOOnOOOO", &who, &described, &edges, &capacity, &dispatcher, &name,
                        &work, &cancel))
    return nullptr;
  interp& in = interp_of_module(module);
  return guarded(in, [&]() -> PyObject* {
    runner by(in, who, dispatcher, name);
    const item values = checked(in, PyList_New(0));
    const auto things = std::make_shared<const stream_things>(
        stream_things{item::share(in, work), by.options.dispatcher, item::share(in, cancel)});
    builder b(in, std::make_shared<const graph_things>(graph_things{things, values}),
              static_cast<std::size_t>(std::max<Py_ssize_t>(capacity, 1)));
    b.add_all(described, edges);
    if (by.parent)
      b.graph.run(*by.parent, std::move(by.options));
    else
      b.graph.run(*by.system, std::move(by.options));
    const owned results(PyList_New(0));
    for (const node& n : b.nodes)
      if (n.result && (!results || PyList_Append(results.get(), (*n.result)->get()) != 0))
        return nullptr;
    const owned all(results ? PyList_AsTuple(results.get()) : nullptr);
    return all ? PyTuple_Pack(2, all.get(), values.get()) : nullptr;
  });
}

PyMethodDef functions[] = {
    {"stream_graph_check", &stream_graph_check, METH_VARARGS, nullptr},
    {"stream_graph_run", &stream_graph_run, METH_VARARGS, nullptr},
    {},
};

}  // namespace

std::span<const source_op> graph_sources() { return sources; }
PyMethodDef* graph_functions() noexcept { return functions; }

}  // namespace odeon::python
