#include <odeon/workflow/workflow.hpp>

#include <workflow/internal/plan.hpp>

#include <atomic>

namespace odeon::workflows {

namespace {

std::uint64_t next_id() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

workflow_base::workflow_base(detail::graph g, const detail::value_type& in,
                             const detail::value_type& out)
    : graph_(std::move(g)),
      id_(next_id()) {
  graph_.in = &in;
  graph_.out = &out;
}
// A copy may be changed; nodes of the original are its own.
workflow_base::workflow_base(const workflow_base& o) : graph_(o.graph_), id_(o.id_) {}
workflow_base& workflow_base::operator=(const workflow_base& o) {
  if (this == &o) return *this;
  graph_ = o.graph_;
  id_ = o.id_;
  started_ = false;
  plan_.reset();
  return *this;
}
workflow_base::~workflow_base() = default;

void workflow_base::check_changeable() const {
  if (started_)
    throw actor_error(errc::invalid_argument, "the workflow '" + graph_.name +
                                                  "' has been run and cannot be changed any more; "
                                                  "change a copy");
}

node workflow_base::add_step(detail::step_ptr s) {
  check_changeable();
  std::string name = s->name;
  return {id_, graph_.add(std::move(s)), std::move(name)};
}

node workflow_base::find(std::string_view name) const {
  for (std::uint32_t n = 0; n < graph_.steps.size(); ++n)
    if (graph_.steps[n]->name == name) return {id_, n, std::string(name)};
  return {id_, detail::edge_def::nowhere, std::string(name)};
}

std::uint32_t workflow_base::index_of(const node& n, const char* what, std::string& trouble) const {
  if (n.owner_ == id_ && n.index_ < graph_.steps.size()) return n.index_;
  if (n.owner_ == 0)
    trouble = std::string(what) + " is a node that no workflow gave";
  else if (n.owner_ == id_)
    trouble =
        std::string(what) + " '" + n.name_ + "' is no step of the workflow '" + graph_.name + "'";
  else
    trouble = std::string(what) + " '" + n.name_ + "' is a step of another workflow: add it to '" +
              graph_.name + "'";
  return detail::edge_def::nowhere;
}

void workflow_base::add_edge(const node& from, const node& to, edge_options options) {
  check_changeable();
  detail::edge_def e;
  std::string wrong_from, wrong_to;
  e.from = index_of(from, "its source", wrong_from);
  e.to = index_of(to, "its target", wrong_to);
  if (!wrong_from.empty() || !wrong_to.empty()) {
    const auto name = [](const node& n) { return n.owner_ == 0 ? "?" : "'" + n.name_ + "'"; };
    e.trouble = "the edge " + name(from) + " -> " + name(to) + " dangles: " + wrong_from +
                (wrong_from.empty() || wrong_to.empty() ? "" : ", and ") + wrong_to;
    e.from = e.to = detail::edge_def::nowhere;
  }
  e.when = std::move(options.when.def_);
  e.priority = options.priority;
  e.delay = options.delay;
  e.otherwise = options.otherwise;
  graph_.edges.push_back(std::move(e));
}

void workflow_base::set_start(const node& n) {
  check_changeable();
  std::string trouble;
  const std::uint32_t at = index_of(n, "the start", trouble);
  if (!trouble.empty())
    graph_.troubles.push_back(std::move(trouble));
  else
    graph_.start = at;
}

void workflow_base::set_end(const node& n) {
  check_changeable();
  std::string trouble;
  const std::uint32_t at = index_of(n, "the end", trouble);
  if (!trouble.empty())
    graph_.troubles.push_back(std::move(trouble));
  else
    graph_.end = at;
}

void workflow_base::set_name(std::string name) {
  check_changeable();
  graph_.name = std::move(name);
}

void workflow_base::set_version(int version, std::initializer_list<int> compatible) {
  check_changeable();
  graph_.version = version;
  graph_.compatible = compatible;
}

void workflow_base::set_max_steps(std::size_t max) {
  check_changeable();
  graph_.max_steps = max;
  graph_.bounded = true;
}

std::vector<std::string> workflow_base::problems() const { return detail::problems_of(graph_); }

result<std::shared_ptr<const detail::plan>> workflow_base::plan() const {
  if (plan_) return plan_;
  if (const auto all = problems(); !all.empty()) {
    std::string text = "the workflow '" + graph_.name + "' cannot run: ";
    for (std::size_t i = 0; i < all.size(); ++i) text += (i ? "; " : "") + all[i];
    return fail(errc::invalid_argument, std::move(text));
  }
  plan_ = detail::make_plan(graph_);
  started_ = true;
  return plan_;
}

std::string workflow_base::graphviz() const {
  std::string out = "digraph \"" + graph_.name + "\" {\n";
  for (std::uint32_t n = 0; n < graph_.steps.size(); ++n)
    out += "  n" + std::to_string(n) +
           (graph_.steps[n]->hidden ? " [shape=point]"
                                    : " [label=\"" + graph_.steps[n]->name + "\"]") +
           ";\n";
  for (const auto& e : graph_.edges) {
    if (!e.trouble.empty()) continue;
    std::string label = e.when.type ? "when" : e.otherwise ? "otherwise" : "";
    if (e.delay > duration::zero()) label += (label.empty() ? "" : ", ") + to_string(e.delay);
    out += "  n" + std::to_string(e.from) + " -> n" + std::to_string(e.to) +
           (label.empty() ? "" : " [label=\"" + label + "\"]") + ";\n";
  }
  return out + "}\n";
}

}  // namespace odeon::workflows
