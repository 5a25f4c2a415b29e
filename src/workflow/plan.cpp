#include <workflow/internal/plan.hpp>

#include <algorithm>
#include <set>

namespace odeon::workflows::detail {

namespace {

constexpr std::uint32_t nowhere = edge_def::nowhere;

std::string quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

/// A walk over a graph whose edges all lead somewhere.
class checker {
 public:
  explicit checker(const graph& g) : g_(g), in_(g.steps.size()), out_(g.steps.size()) {
    for (std::uint32_t i = 0; i < g.edges.size(); ++i) {
      const edge_def& e = g.edges[i];
      if (e.from == nowhere || e.to == nowhere) continue;
      in_[e.to].push_back(i);
      out_[e.from].push_back(i);
    }
    for (auto& list : out_)
      std::ranges::sort(list, [&](std::uint32_t a, std::uint32_t b) {
        return std::pair(-std::int64_t{g.edges[a].priority}, a) <
               std::pair(-std::int64_t{g.edges[b].priority}, b);
      });
  }

  [[nodiscard]] const std::vector<std::uint32_t>& in(std::uint32_t n) const { return in_[n]; }
  [[nodiscard]] const std::vector<std::uint32_t>& out(std::uint32_t n) const { return out_[n]; }

  /// Which steps are reached from `from` by one edge or more, through those that `may_pass`.
  template <class Pass>
  [[nodiscard]] std::vector<bool> reached(std::uint32_t from, Pass may_pass) const {
    std::vector<bool> seen(g_.steps.size());
    std::vector<std::uint32_t> open{from};
    while (!open.empty()) {
      const std::uint32_t n = open.back();
      open.pop_back();
      for (std::uint32_t e : out_[n]) {
        const std::uint32_t to = g_.edges[e].to;
        if (seen[to] || !may_pass(to)) continue;
        seen[to] = true;
        open.push_back(to);
      }
    }
    return seen;
  }
  [[nodiscard]] std::vector<bool> reached(std::uint32_t from) const {
    return reached(from, [](std::uint32_t) { return true; });
  }

  /// How step `n` takes what comes; a sentence when its edges do not fit it.
  [[nodiscard]] intake intake_of(std::uint32_t n, std::vector<std::string>& troubles) const {
    const step_def& s = *g_.steps[n];
    const auto brings = [&](std::uint32_t e) { return g_.steps[g_.edges[e].from]->out; };
    if (std::ranges::all_of(in_[n], [&](auto e) { return brings(e) == s.in->whole; }))
      return intake::one;
    if (s.in->element &&
        std::ranges::all_of(in_[n], [&](auto e) { return brings(e) == s.in->element; }))
      return intake::list;
    if (!s.in->slots.empty() && in_[n].size() == s.in->slots.size()) {
      bool fits = true;
      for (std::size_t i = 0; i < in_[n].size(); ++i)
        if (brings(in_[n][i]) != s.in->slots[i].type) {
          fits = false;
          mismatch(in_[n][i], s.in->slots[i].type->name, " as input " + std::to_string(i + 1),
                   troubles);
        }
      if (fits) return intake::slots;
      return intake::one;
    }
    if (!s.in->slots.empty()) {
      troubles.push_back("the join " + quoted(s.name) + " has " +
                         std::to_string(s.in->slots.size()) + " inputs, but " +
                         std::to_string(in_[n].size()) + " edges lead to it");
      return intake::one;
    }
    for (std::uint32_t e : in_[n])
      if (brings(e) != s.in->whole && !(s.in->element && brings(e) == s.in->element))
        mismatch(e, s.in->whole->name, "", troubles);
    if (s.in->element && troubles.empty())
      troubles.push_back("some edges bring the list " + quoted(s.name) +
                         " a list, and others an "
                         "element: make it one or the other");
    return intake::one;
  }

 private:
  void mismatch(std::uint32_t e, std::string_view wanted, const std::string& where,
                std::vector<std::string>& troubles) const {
    const edge_def& d = g_.edges[e];
    troubles.push_back("the edge " + told(g_, d) +
                       " does not fit: " + quoted(g_.steps[d.from]->name) + " gives " +
                       std::string(g_.steps[d.from]->out->name) + ", and " +
                       quoted(g_.steps[d.to]->name) + " takes " + std::string(wanted) + where);
  }

  const graph& g_;
  std::vector<std::vector<std::uint32_t>> in_, out_;
};

void check_steps(const graph& g, std::vector<std::string>& troubles) {
  std::set<std::string_view> names;
  for (const step_ptr& s : g.steps) {
    if (s->hidden) continue;
    if (s->name.empty()) troubles.push_back("a step has no name");
    if (!names.insert(s->name).second)
      troubles.push_back("two steps are named " + quoted(s->name) +
                         ": give each use a name of its own");
    const step_options& o = s->options;
    if (o.retry.attempts == 0 || o.retry.attempts > max_attempts)
      troubles.push_back("the step " + quoted(s->name) + " has " +
                         std::to_string(o.retry.attempts) + " attempts; 1 to 1,000 are possible");
    if (o.timeout < duration::zero() || o.retry.min < duration::zero() || o.retry.max < o.retry.min)
      troubles.push_back("the step " + quoted(s->name) +
                         " has a negative time, or a retry.max "
                         "below its retry.min");
    if (o.timeout > duration::zero() && s->kind == step_kind::function)
      troubles.push_back("the step " + quoted(s->name) +
                         " is a plain function, which no timeout "
                         "can interrupt: let it return an odeon::task");
    if (s->kind == step_kind::actor && !s->target)
      troubles.push_back("the step " + quoted(s->name) + " asks an empty actor_ref");
  }
}

void check_edges(const graph& g, std::vector<std::string>& troubles) {
  for (const edge_def& e : g.edges) {
    if (!e.trouble.empty()) {
      troubles.push_back(e.trouble);
      continue;
    }
    if (e.when.type && e.when.type != g.steps[e.from]->out)
      troubles.push_back("the condition of the edge " + told(g, e) + " takes " +
                         std::string(e.when.type->name) + ", but " + quoted(g.steps[e.from]->name) +
                         " gives " + std::string(g.steps[e.from]->out->name));
    if (e.when.type && e.otherwise && !g.steps[e.from]->hidden)
      troubles.push_back("the edge " + told(g, e) +
                         " has a condition and says otherwise: it is "
                         "one or the other");
    if (e.delay < duration::zero())
      troubles.push_back("the edge " + told(g, e) + " has a negative delay");
  }
}

/// A way round that no bound ends, as "'a' -> 'b' -> 'a'"; empty: none.
std::string unbounded_cycle(const graph& g, const checker& c) {
  const auto unbounded = [&](std::uint32_t n) { return g.steps[n]->options.max_visits == 0; };
  for (std::uint32_t n = 0; n < g.steps.size(); ++n) {
    if (!unbounded(n) || !c.reached(n, unbounded)[n]) continue;
    std::string text;
    std::vector<bool> seen(g.steps.size());
    for (std::uint32_t at = n; !seen[at];) {
      seen[at] = true;
      if (!g.steps[at]->hidden) text += quoted(g.steps[at]->name) + " -> ";
      for (std::uint32_t e : c.out(at)) {
        const std::uint32_t to = g.edges[e].to;
        if (!unbounded(to) || (to != n && !c.reached(to, unbounded)[n])) continue;
        at = to;
        break;
      }
    }
    return text + quoted(g.steps[n]->name);
  }
  return {};
}

/// The steps without edges: one of them is the end when none is named.
std::vector<std::uint32_t> last_steps(const graph& g, const checker& c) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t n = 0; n < g.steps.size(); ++n)
    if (c.out(n).empty()) out.push_back(n);
  return out;
}

void check_end(const graph& g, const checker& c, std::vector<std::string>& troubles) {
  std::uint32_t end = nowhere;
  if (g.end) {
    end = *g.end;
  } else {
    const auto last = last_steps(g, c);
    if (last.size() == 1) {
      end = last[0];
    } else if (last.empty()) {
      troubles.push_back("every step has edges, so none is the end: name one by end(…)");
    } else {
      std::string names;
      for (std::uint32_t n : last) names += (names.empty() ? "" : ", ") + quoted(g.steps[n]->name);
      troubles.push_back("the end is ambiguous: " + names + " have no edges; name one by end(…)");
    }
  }
  if (end != nowhere && g.steps[end]->out != g.out)
    troubles.push_back("the workflow answers with " + std::string(g.out->name) + ", but its end " +
                       quoted(g.steps[end]->name) + " gives " +
                       std::string(g.steps[end]->out->name));
}

std::string type_text(const value_type& t) {
  return std::string(t.manifest) + " v" + std::to_string(t.version);
}

}  // namespace

std::string told(const graph& g, const edge_def& e) {
  const auto name = [&](std::uint32_t n) {
    return n == nowhere ? std::string("?") : quoted(g.steps[n]->name);
  };
  return name(e.from) + " -> " + name(e.to);
}

std::vector<std::string> problems_of(const graph& g) {
  std::vector<std::string> troubles = g.troubles;
  if (g.steps.empty()) return {"the workflow '" + g.name + "' has no steps"};
  if (g.steps.size() > max_graph_steps || g.edges.size() > max_graph_edges)
    return {"the workflow '" + g.name + "' has more than 1,000 steps or 10,000 edges"};
  check_steps(g, troubles);
  check_edges(g, troubles);
  const checker c(g);
  for (std::uint32_t n = 0; n < g.steps.size(); ++n) {
    if (c.in(n).empty()) continue;
    std::vector<std::string> unfit;
    const intake how = c.intake_of(n, unfit);
    if (unfit.empty() && how != intake::one && g.start == n)
      unfit.push_back("the start " + quoted(g.steps[n]->name) +
                      " is a join: let a step before it "
                      "take the input");
    troubles.insert(troubles.end(), unfit.begin(), unfit.end());
  }
  if (!g.start) {
    troubles.push_back("the workflow '" + g.name + "' has no start: name one by start(…)");
  } else {
    if (g.steps[*g.start]->in->whole != g.in)
      troubles.push_back("the workflow takes " + std::string(g.in->name) + ", but its start " +
                         quoted(g.steps[*g.start]->name) + " takes " +
                         std::string(g.steps[*g.start]->in->whole->name));
    auto seen = c.reached(*g.start);
    seen[*g.start] = true;
    for (std::uint32_t n = 0; n < g.steps.size(); ++n)
      if (!seen[n])
        troubles.push_back("the step " + quoted(g.steps[n]->name) +
                           " cannot be reached from the start " + quoted(g.steps[*g.start]->name));
  }
  check_end(g, c, troubles);
  if (!g.bounded)
    if (auto cycle = unbounded_cycle(g, c); !cycle.empty())
      troubles.push_back("the cycle " + cycle +
                         " has no bound: give one of its steps max_visits, "
                         "or the workflow max_steps");
  return troubles;
}

std::shared_ptr<const plan> make_plan(graph from) {
  auto p = std::make_shared<plan>();
  p->g = std::move(from);
  const graph& g = p->g;
  const checker c(g);
  p->start = *g.start;
  p->end = g.end ? *g.end : last_steps(g, c)[0];
  std::vector<std::string> none;
  for (std::uint32_t n = 0; n < g.steps.size(); ++n) {
    const intake how = c.in(n).empty() ? intake::one : c.intake_of(n, none);
    p->places.push_back({how, c.in(n), c.out(n), c.reached(n)});
    const step_def& s = *g.steps[n];
    p->pins.push_back({"step " + s.name, "takes " + type_text(*s.in->whole) + ", gives " +
                                             type_text(*s.out) + ", version " +
                                             std::to_string(s.options.version)});
  }
  std::map<std::string, int> uses;
  for (const edge_def& e : g.edges) {
    std::string key = p->name_of(e.from) + " -> " + p->name_of(e.to);
    if (const int n = ++uses[key]; n > 1) key += " #" + std::to_string(n);
    p->pins.push_back({"edge " + key, std::string(e.when.type ? "with a condition" : "always") +
                                          (e.otherwise ? ", otherwise" : "") + ", priority " +
                                          std::to_string(e.priority) + ", delay " +
                                          to_string(e.delay)});
    p->edge_keys.push_back(std::move(key));
  }
  p->pins.push_back({"start", p->name_of(p->start)});
  p->pins.push_back({"end", p->name_of(p->end)});
  return p;
}

std::uint32_t plan::step_named(std::string_view name) const {
  for (std::uint32_t n = 0; n < g.steps.size(); ++n)
    if (g.steps[n]->name == name) return n;
  return nowhere;
}

std::uint32_t plan::edge_named(std::string_view key) const {
  const auto at = std::ranges::find(edge_keys, key);
  return at == edge_keys.end() ? nowhere : static_cast<std::uint32_t>(at - edge_keys.begin());
}

std::string difference(const std::vector<plan::pin>& recorded, const std::vector<plan::pin>& now) {
  const auto what = [](const plan::pin& p) {
    if (p.name.starts_with("edge ")) return "the edge '" + p.name.substr(5) + "'";
    if (p.name == "start" || p.name == "end") return "the " + p.name;
    return "the step '" + p.name.substr(5) + "'";
  };
  const auto in = [](const std::vector<plan::pin>& all, const plan::pin& p) {
    return std::ranges::find(all, p.name, &plan::pin::name);
  };
  for (const plan::pin& p : recorded) {
    const auto at = in(now, p);
    if (at == now.end()) return what(p) + " is not there any more";
    if (at->text != p.text) return what(p) + " was '" + p.text + "' and is now '" + at->text + "'";
  }
  for (const plan::pin& p : now)
    if (in(recorded, p) == recorded.end()) return what(p) + " is new";
  return {};
}

}  // namespace odeon::workflows::detail
