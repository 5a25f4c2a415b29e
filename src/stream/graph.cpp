#include <odeon/core/actor_system.hpp>
#include <odeon/stream/graph.hpp>

#include <algorithm>

namespace odeon::stream {

namespace detail {

std::size_t graph_shape::add(std::string name, std::size_t inlets, std::size_t outlets, kind k) {
  if (nodes_.size() == graph_nodes_max)
    throw actor_error(errc::limit_exceeded,
                      "graph: more than " + std::to_string(graph_nodes_max) + " nodes");
  for (const auto& n : nodes_)
    if (n.name == name)
      throw actor_error(errc::name_taken, "graph: two nodes named '" + name + "'");
  if (inlets + outlets == 0)
    throw actor_error(errc::invalid_argument, "graph: the node '" + name + "' has no ports");
  nodes_.push_back({std::move(name), std::vector<port>(inlets, {none, 0}),
                    std::vector<port>(outlets, {none, 0}), k});
  return nodes_.size() - 1;
}

void graph_shape::connect(port from, port to) {
  if (from.node >= nodes_.size() || from.index >= nodes_[from.node].out.size() ||
      to.node >= nodes_.size() || to.index >= nodes_[to.node].in.size())
    throw actor_error(errc::invalid_argument, "graph: an edge between ports of another graph");
  port& a = nodes_[from.node].out[from.index];
  port& b = nodes_[to.node].in[to.index];
  if (a.node != none)
    throw actor_error(errc::invalid_argument, "graph: outlet " + std::to_string(from.index) +
                                                  " of '" + nodes_[from.node].name +
                                                  "' leads to '" + nodes_[a.node].name +
                                                  "' already");
  if (b.node != none)
    throw actor_error(errc::invalid_argument, "graph: inlet " + std::to_string(to.index) + " of '" +
                                                  nodes_[to.node].name + "' comes from '" +
                                                  nodes_[b.node].name + "' already");
  a = to;
  b = from;
}

/// From sources along the edges, or from sinks against them.
std::vector<bool> graph_shape::reachable(bool forward) const {
  std::vector<bool> seen(nodes_.size());
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if ((forward ? nodes_[i].in : nodes_[i].out).empty()) open.push_back(i);
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    if (seen[at]) continue;
    seen[at] = true;
    for (const port& p : forward ? nodes_[at].out : nodes_[at].in)
      if (p.node != none) open.push_back(p.node);
  }
  return seen;
}

/// "a → b → a" for a cycle without a feedback; empty: there is none. Depth first, without
/// recursion.
std::string graph_shape::find_cycle() const {
  enum : char { fresh, open, finished };
  std::vector<char> state(nodes_.size(), fresh);
  struct step {
    std::size_t node, next_edge;
  };
  for (std::size_t root = 0; root < nodes_.size(); ++root) {
    if (state[root] != fresh || nodes_[root].is.breaks_cycles) continue;
    std::vector<step> path{{root, 0}};
    state[root] = open;
    while (!path.empty()) {
      step& s = path.back();
      if (s.next_edge == nodes_[s.node].out.size()) {
        state[s.node] = finished;
        path.pop_back();
        continue;
      }
      const std::size_t to = nodes_[s.node].out[s.next_edge++].node;
      if (to == none || nodes_[to].is.breaks_cycles || state[to] == finished) continue;
      if (state[to] == open) {
        std::string text;
        auto at =
            std::find_if(path.begin(), path.end(), [to](const step& p) { return p.node == to; });
        for (; at != path.end(); ++at) text += "'" + nodes_[at->node].name + "' → ";
        return text + "'" + nodes_[to].name + "'";
      }
      state[to] = open;
      path.push_back({to, 0});
    }
  }
  return {};
}

std::vector<std::string> graph_shape::check() const {
  std::vector<std::string> out;
  if (nodes_.empty()) out.emplace_back("the graph has no nodes");
  for (const auto& n : nodes_) {
    for (std::size_t i = 0; i < n.in.size(); ++i)
      if (n.in[i].node == none)
        out.push_back("inlet " + std::to_string(i) + " of '" + n.name + "' has no edge");
    for (std::size_t i = 0; i < n.out.size(); ++i)
      if (n.out[i].node == none)
        out.push_back("outlet " + std::to_string(i) + " of '" + n.name + "' has no edge");
  }
  if (!out.empty()) return out;
  const auto from_source = reachable(true), to_sink = reachable(false);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!from_source[i]) out.push_back("'" + nodes_[i].name + "' is not reached from any source");
    if (!to_sink[i]) out.push_back("'" + nodes_[i].name + "' leads to no sink");
  }
  if (const std::string cycle = find_cycle(); !cycle.empty())
    out.push_back("the cycle " + cycle + " has no feedback node, which would bound it");
  return out;
}

std::vector<bool> graph_shape::reachable_from(std::size_t node, bool forward) const {
  std::vector<bool> seen(nodes_.size());
  std::vector<std::size_t> open{node};
  while (!open.empty()) {
    const std::size_t at = open.back();
    open.pop_back();
    for (const port& p : forward ? nodes_[at].out : nodes_[at].in) {
      if (p.node == none || seen[p.node]) continue;
      seen[p.node] = true;
      open.push_back(p.node);
    }
  }
  return seen;
}

/// Each cycle has a feedback; all cycles that share a node are one here.
void graph_shape::find_counted_cycles() {
  cycles_.assign(nodes_.size(), nullptr);
  std::vector<bool> done(nodes_.size());
  for (std::size_t f = 0; f < nodes_.size(); ++f) {
    if (!nodes_[f].is.breaks_cycles || done[f]) continue;
    const auto from = reachable_from(f, true), to = reachable_from(f, false);
    std::size_t inlets = 0;
    bool counted = from[f];  // else it is in no cycle
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (!from[i] || !to[i]) continue;
      done[i] = true;
      counted = counted && nodes_[i].is.counts;
      if (!nodes_[i].is.merges) continue;
      for (const port& p : nodes_[i].in)
        if (p.node != none && !(from[p.node] && to[p.node])) ++inlets;
    }
    if (!counted) continue;
    auto found = std::make_shared<cycle>(inlets);
    for (std::size_t i = 0; i < nodes_.size(); ++i)
      if (from[i] && to[i]) cycles_[i] = found;
  }
}
std::vector<bool> graph_shape::inside(std::size_t node, bool inlets) const {
  std::vector<bool> out;
  for (const port& p : inlets ? nodes_[node].in : nodes_[node].out)
    out.push_back(cycles_[node] && cycles_[p.node] == cycles_[node]);
  return out;
}
bool graph_shape::is_counted(std::size_t node) const {
  graph_shape copy = *this;
  copy.find_counted_cycles();
  return copy.cycles_.at(node) != nullptr;
}

}  // namespace detail

void graph::check_before_run() {
  if (has_run_) throw actor_error(errc::invalid_argument, "graph: it was run already");
  const auto wrong = check();
  if (!wrong.empty()) {
    std::string text = "graph: ";
    for (const auto& w : wrong) text += (&w == &wrong.front() ? "" : "; ") + w;
    throw actor_error(errc::invalid_argument, text);
  }
  has_run_ = true;
}
void graph::start(materializer& m) {
  shape_.find_counted_cycles();
  for (auto& build : builders_) build(*this, m);
  builders_.clear();
  m.start();
}
void graph::run(actor_system& system, run_options options) {
  check_before_run();
  materializer m(system, std::move(options));
  start(m);
}
void graph::run(context& parent, run_options options) {
  check_before_run();
  materializer m(parent, std::move(options));
  start(m);
}

}  // namespace odeon::stream
