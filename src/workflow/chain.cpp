#include <odeon/workflow/chain.hpp>

#include <algorithm>

namespace odeon::workflows::detail {

namespace {

edge_def edge_of(std::uint32_t from, std::uint32_t to, condition_def when = {}) {
  edge_def e;
  e.from = from;
  e.to = to;
  e.when = std::move(when);
  return e;
}

graph with_entry(std::string name, const input_shape& in) {
  graph g;
  g.start = g.add(make_relay(std::move(name), in));
  return g;
}

/// Appends a way's body behind the entry.
std::pair<std::uint32_t, std::uint32_t> add_way(graph& g, const graph& body, condition_def when) {
  const std::uint32_t base = append(g, body);
  g.edges.push_back(edge_of(*g.start, base + *body.start, std::move(when)));
  return {base + *body.start, base + *body.end};
}

}  // namespace

std::uint32_t graph::add(step_ptr s) {
  steps.push_back(std::move(s));
  return static_cast<std::uint32_t>(steps.size() - 1);
}

graph named_graph(std::string name) {
  graph g;
  g.name = std::move(name);
  return g;
}

std::uint32_t append(graph& a, const graph& b) {
  const auto base = static_cast<std::uint32_t>(a.steps.size());
  a.steps.insert(a.steps.end(), b.steps.begin(), b.steps.end());
  for (edge_def e : b.edges) {
    e.from += base;
    e.to += base;
    a.edges.push_back(std::move(e));
  }
  return base;
}

step_ptr make_relay(std::string name, const input_shape& in) {
  auto def = std::make_shared<step_def>();
  def->name = std::move(name);
  def->kind = step_kind::relay;
  def->hidden = true;
  def->in = &in;
  def->out = in.whole;
  return def;
}

graph chain_of(step_ptr s) {
  graph g;
  g.start = g.end = g.add(std::move(s));
  return g;
}

graph chained(graph a, const graph& b) {
  const std::uint32_t base = append(a, b);
  a.edges.push_back(edge_of(*a.end, base + *b.start));
  a.end = base + *b.end;
  return a;
}

graph with_delay(graph body, duration d, const input_shape& in) {
  graph g = with_entry("delayed(" + body.steps[*body.start]->name + ")", in);
  const auto [first, last] = add_way(g, body, {});
  g.edges.back().delay = d;
  g.end = last;
  return g;
}

std::string names_of(const std::vector<way>& ways) {
  std::string out;
  for (const way& w : ways) {
    if (!out.empty()) out += ", ";
    out += w.body.steps[*w.body.start]->name;
  }
  return out;
}

graph when_graph(way w, const input_shape& in) {
  const std::string name = "when(" + w.body.steps[*w.body.start]->name + ")";
  graph g = with_entry(name, in);
  const auto [first, last] = add_way(g, w.body, std::move(w.when));
  const std::uint32_t exit = g.add(make_relay("after " + name, in));
  g.edges.push_back(edge_of(last, exit));
  g.edges.push_back(edge_of(*g.start, exit));
  g.edges.back().otherwise = true;
  g.end = exit;
  return g;
}

graph route_graph(std::vector<way> ways, const input_shape& in, const input_shape& out) {
  const std::string name = "route(" + names_of(ways) + ")";
  graph g = with_entry(name, in);
  std::vector<std::uint32_t> exits;
  std::vector<std::function<bool(const void*)>> before;
  for (way& w : ways) {
    condition_def when = w.when;
    if (when.type && !before.empty())
      when.holds = [mine = w.when.holds, before](const void* v) {
        return std::ranges::none_of(before, [v](const auto& c) { return c(v); }) && mine(v);
      };
    const bool last_way = !when.type;
    exits.push_back(add_way(g, w.body, std::move(when)).second);
    g.edges.back().otherwise = last_way;
    if (w.when.type) before.push_back(std::move(w.when.holds));
  }
  const std::uint32_t exit = g.add(make_relay("after " + name, out));
  for (std::uint32_t e : exits) g.edges.push_back(edge_of(e, exit));
  g.end = exit;
  return g;
}

graph fan_out_graph(std::vector<way> ways, const input_shape& in, step_ptr gather) {
  graph g = with_entry("fan_out(" + names_of(ways) + ")", in);
  std::vector<std::uint32_t> exits;
  for (way& w : ways) exits.push_back(add_way(g, w.body, std::move(w.when)).second);
  const std::uint32_t join = g.add(std::move(gather));
  for (std::uint32_t e : exits) g.edges.push_back(edge_of(e, join));
  g.end = join;
  return g;
}

}  // namespace odeon::workflows::detail
