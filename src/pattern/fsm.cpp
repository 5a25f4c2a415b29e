#include <odeon/core/actor_system.hpp>
#include <odeon/pattern/detail/fsm_graph.hpp>

#include <algorithm>

namespace odeon::detail {

namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string line(std::string_view from, std::string_view to, const std::string& label,
                 bool declared) {
  return "  " + quoted(from) + " -> " + quoted(to) + " [label=" + quoted(label) +
         (declared ? "" : ", style=dashed") + "];\n";
}

}  // namespace

void fsm_graph::add_state(std::string_view name) {
  if (!name.empty() && std::ranges::find(states_, name) == states_.end())
    states_.emplace_back(name);
}

void fsm_graph::add(std::string_view from, std::string_view to, std::string label, bool declared) {
  add_state(from);
  add_state(to);
  // One that was seen may be a declared one, of its state or of every state.
  for (const edge& e : edges_)
    if (e.to == to && (e.from == from || (!declared && e.from.empty())) &&
        (e.label == label || (!declared && label == "timeout" && e.label.starts_with("after "))))
      return;
  edges_.push_back({std::string(from), std::string(to), std::move(label), declared});
}

std::string fsm_graph::dot() const {
  std::string out = "digraph fsm {\n  rankdir=LR;\n  \"\" [shape=point];\n";
  for (const auto& s : states_) out += "  " + quoted(s) + ";\n";
  out += "  \"\" -> " + quoted(start) + ";\n";
  for (const edge& e : edges_) {
    if (!e.from.empty()) {
      out += line(e.from, e.to, e.label, e.declared);
      continue;
    }
    // From every state that has no way of its own for it.
    for (const auto& s : states_)
      if (std::ranges::none_of(
              edges_, [&](const edge& own) { return own.from == s && own.label == e.label; }))
        out += line(s, e.to, e.label, e.declared);
  }
  return out + "}\n";
}

std::string fsm_graph::short_name(std::string_view type) {
  // Template arguments stay whole.
  const auto end = type.find('<');
  const auto colon = type.substr(0, end).rfind(':');
  return std::string(colon == std::string_view::npos ? type : type.substr(colon + 1));
}

void fsm_graph::twice(std::string_view state, std::string_view message) {
  throw actor_error(errc::invalid_argument, "an fsm has two handlers of " + std::string(message) +
                                                " for the state " + std::string(state));
}

void fsm_graph::timeless(std::string_view state) {
  throw actor_error(errc::invalid_argument,
                    state.empty() ? "an fsm's after() belongs to a state: when(s).after(…)"
                                  : "an fsm's state " + std::string(state) +
                                        " has no after(…), so it can not be given a time");
}

void fsm_graph::undeclared(std::string_view from, std::string_view to, std::string_view message) {
  throw actor_error(errc::invalid_argument, "an fsm goes from " + std::string(from) + " to " +
                                                std::string(to) + " on " + std::string(message) +
                                                ", which is not among the targets it declared");
}

error fsm_graph::unhandled(const std::string& path, std::string_view state,
                           std::string_view message) {
  return {errc::unhandled,
          path + " handles no " + std::string(message) + " in its state " + std::string(state)};
}

void fsm_graph::tell_unhandled(context& ctx, std::string_view message, bool was_ask) {
  const any_ref sender = ctx.sender();
  ctx.system().events().publish(dead_letter{errc::unhandled, message, ctx.path(), sender.path(),
                                            ctx.trace(), ctx.system().get_runtime().wall_now(),
                                            was_ask});
}

}  // namespace odeon::detail
