#pragma once

#include <odeon/stream/detail/cycle.hpp>
#include <odeon/stream/fan_out.hpp>
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/combine.hpp>
#include <odeon/stream/flow/detached.hpp>

#include <any>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file Streams that are no line: nodes with ports, and edges between them.
///
///     graph g;
///     auto in  = g.add_source("numbers", source::from({1, 2, 3}));
///     auto two = g.add_broadcast<int>("both", 2);
///     auto sum = g.add_merge<int>("sum", 2);
///     auto out = g.add_sink<int>("out", sink::collect());
///     g.connect(in, two.in);
///     g.connect(two.out[0], sum.in[0]);
///     g.connect(two.out[1], g.add_flow<int>("negate", map(std::negate{}), sum.in[1]));
///     g.connect(sum.out, out.in);
///     g.run(system);                       // throws what check() says, when it says something
///     out.result();                        // the future
///
/// Each node is an island; each edge a channel with a bound. A graph is checked before it runs:
/// every port has one edge, every node can be reached from a source and reaches a sink, and every
/// cycle goes through a port that was made for it – a `feedback` – with a buffer that says what
/// happens when it is full; a cycle of bounded channels alone can stand still for ever.
///
/// A cycle ends when all that comes into it has ended and nothing goes round any more. For that its
/// elements are counted, which is possible when it consists of nodes that give one for one: merges,
/// broadcasts, balances, partitions, a feedback that fails when it is full, and flows of `map`,
/// `try_map`, `wire_tap`, `map_async`, `map_async_unordered` and `async`. `ends_by_itself(cycle)`
/// tells. What is to be dropped goes through a partition to a sink outside. A cycle with other
/// nodes goes on until what is behind it cancels, or a kill switch ends what comes in and it.

namespace odeon::stream {

inline constexpr std::size_t graph_nodes_max = 10'000;

namespace detail {

/// The untyped graph: what is connected with what. src/stream/graph.cpp
class graph_shape {
 public:
  struct port {
    std::size_t node;
    std::size_t index;  // among the node's inlets or outlets
  };
  struct kind {
    bool breaks_cycles = false;
    bool counts = false;  // what goes in comes out, and the node can tell what leaves a cycle
    bool merges = false;
  };
  std::size_t add(std::string name, std::size_t inlets, std::size_t outlets, kind k);
  /// Throws `actor_error(invalid_argument)` for a port that has an edge, or is of another graph.
  void connect(port from, port to);
  [[nodiscard]] std::vector<std::string> check() const;
  /// Finds the cycles that can be counted. Before the two below.
  void find_counted_cycles();
  /// The one that the node is in, or null.
  [[nodiscard]] const cycle_ptr& cycle_of(std::size_t node) const { return cycles_[node]; }
  /// Which of its inlets or outlets are edges of the node's own cycle.
  [[nodiscard]] std::vector<bool> inside(std::size_t node, bool inlets) const;
  [[nodiscard]] bool is_counted(std::size_t node) const;

 private:
  static constexpr std::size_t none = std::size_t(-1);
  struct node {
    std::string name;
    std::vector<port> in, out;  // the other end; node `none`: open
    kind is;
  };
  [[nodiscard]] std::vector<bool> reachable_from(std::size_t node, bool forward) const;
  [[nodiscard]] std::vector<bool> reachable(bool forward) const;
  [[nodiscard]] std::string find_cycle() const;
  std::vector<node> nodes_;
  std::vector<cycle_ptr> cycles_;
};

/// The channel of an edge, made when the first of its two ports is seen.
template <class T>
using edge_ptr = std::shared_ptr<std::shared_ptr<channel<T>>>;

}  // namespace detail

/// A port that gives elements, of a node that was added.
template <class T>
struct outlet {
  detail::graph_shape::port at;
  detail::edge_ptr<T> edge;
};
/// A port that takes them.
template <class T>
struct inlet {
  detail::graph_shape::port at;
  detail::edge_ptr<T> edge;
};
template <class T, class U = T>
struct fan_in_ports {
  std::vector<inlet<T>> in;
  outlet<U> out;
};
template <class T>
struct fan_out_ports {
  inlet<T> in;
  std::vector<outlet<T>> out;
};
template <class In, class Out>
struct flow_ports {
  inlet<In> in;
  outlet<Out> out;
};
/// A sink's port, and what it materialises once the graph runs.
template <class T, class Mat>
struct sink_ports {
  inlet<T> in;
  std::shared_ptr<std::optional<Mat>> mat;
  /// After `run`, once.
  [[nodiscard]] Mat result() const {
    if (!*mat) throw actor_error(errc::invalid_argument, "graph: the result of a sink before run");
    Mat out = std::move(**mat);
    mat->reset();
    return out;
  }
};

class graph {
 public:
  /// Elements on each edge.
  explicit graph(std::size_t edge_capacity = fan_out_capacity) : capacity_(edge_capacity) {}

  // -- nodes: each has a name, for messages -------------------------------------------------------

  template <is_source S>
  auto add_source(std::string name, S source);
  /// `T`: the elements before it.
  template <class T, is_flow F>
  auto add_flow(std::string name, F flow);
  template <class T, is_sink K>
  auto add_sink(std::string name, K sink);
  /// `n` inlets and one outlet: elements as they come.
  template <class T>
  fan_in_ports<T> add_merge(std::string name, std::size_t n);
  /// One inlet after the other.
  template <class T>
  fan_in_ports<T> add_concat(std::string name, std::size_t n);
  /// `n` inlets, and the outlet of a stage over them: `make(materializer&, readers)`, called once
  /// when the graph runs, takes their readers, a `std::vector` of stages, and gives it. In a cycle
  /// it is not counted.
  template <class T, class F>
  auto add_fan_in(std::string name, std::size_t n, F make);
  /// One inlet and `n` outlets: each element to all, to one that has room, to the one chosen.
  template <class T>
  fan_out_ports<T> add_broadcast(std::string name, std::size_t n);
  template <class T>
  fan_out_ports<T> add_balance(std::string name, std::size_t n);
  template <class T, class F>
  fan_out_ports<T> add_partition(std::string name, std::size_t n, F choose);
  /// What a cycle has to go through: holds up to `capacity` elements; a full one does as `what`
  /// says, which must not be `on_full::wait`.
  template <class T>
  flow_ports<T, T> add_feedback(std::string name, std::size_t capacity, on_full what);

  // -- edges --------------------------------------------------------------------------------------

  /// Throws `actor_error(invalid_argument)` when a port has an edge already.
  template <class T>
  void connect(const outlet<T>& from, const inlet<T>& to) {
    shape_.connect(from.at, to.at);
    if (!*from.edge) *from.edge = std::make_shared<detail::channel<T>>(capacity_);
    *to.edge = *from.edge;
  }
  template <class T, class U>
    requires(!std::same_as<T, U>)
  void connect(const outlet<T>&, const inlet<U>&) {
    static_assert((detail::check_same_elements<T, U>(), true));
  }

  /// Whether the cycle that goes through this feedback ends when what comes in has ended.
  template <class T>
  [[nodiscard]] bool ends_by_itself(const flow_ports<T, T>& feedback) const {
    return shape_.is_counted(feedback.in.at.node);
  }

  /// What is wrong, one sentence each, with the nodes' names; empty: it may run.
  [[nodiscard]] std::vector<std::string> check() const { return shape_.check(); }

  /// Starts it, once. Throws `actor_error(invalid_argument)` with all that `check` says.
  void run(actor_system& system, run_options options = {});
  /// The same with the actor as its parent: the graph ends with it. On the actor's turn.
  void run(context& parent, run_options options = {});

 private:
  void check_before_run();
  void start(materializer& m);
  template <class T>
  inlet<T> make_inlet(std::size_t node, std::size_t index) {
    return {{node, index}, std::make_shared<std::shared_ptr<detail::channel<T>>>()};
  }
  template <class T>
  outlet<T> make_outlet(std::size_t node, std::size_t index) {
    return {{node, index}, std::make_shared<std::shared_ptr<detail::channel<T>>>()};
  }
  template <class T>
  fan_in_ports<T> make_fan_in(std::size_t node, std::size_t n);
  template <class T, class Policy>
  fan_out_ports<T> add_fan_out(std::string name, std::size_t n, Policy policy);

  std::size_t capacity_;
  detail::graph_shape shape_;
  std::vector<std::move_only_function<void(graph&, materializer&)>> builders_;
  bool has_run_ = false;
};

}  // namespace odeon::stream

#include <odeon/stream/detail/graph_nodes.hpp>
