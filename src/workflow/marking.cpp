#include <workflow/internal/marking.hpp>

#include <algorithm>

namespace odeon::workflows::detail {

namespace {

void fire_from(const plan& p, std::uint32_t step, const value_ptr& v, duration delay, firing& out) {
  std::vector<std::uint32_t> chosen;
  bool any = false;
  for (std::uint32_t e : p.places[step].out) {
    const edge_def& edge = p.g.edges[e];
    if (edge.otherwise) continue;
    if (edge.when.type) {
      try {
        if (!edge.when.holds(v.get())) continue;
      } catch (const std::exception& x) {
        throw actor_error(errc::handler_failed,
                          "the condition of the edge " + told(p.g, edge) + " threw: " + x.what());
      }
    }
    any = true;
    chosen.push_back(e);
  }
  for (std::uint32_t e : p.places[step].out) {
    const edge_def& edge = p.g.edges[e];
    const bool fires = edge.otherwise ? !any : std::ranges::find(chosen, e) != chosen.end();
    if (!fires) continue;
    const duration later = delay + edge.delay;
    if (p.is_relay(edge.to))
      fire_from(p, edge.to, v, later, out);
    else
      out.targets.push_back({e, edge.to, later});
  }
  const auto is_otherwise = [&](std::uint32_t e) { return p.g.edges[e].otherwise; };
  if (any || std::ranges::any_of(p.places[step].out, is_otherwise)) return;
  if (step == p.end)
    out.answers = true;
  else
    out.ends.push_back(p.name_of(step));
}

}  // namespace

result<firing> fire(const plan& p, std::uint32_t step, const value_ptr& output) {
  firing out;
  try {
    fire_from(p, step, output, duration::zero(), out);
  } catch (const actor_error& e) {
    return std::unexpected<error>(e.reason());
  }
  return out;
}

void marking::put(token t) {
  next_id_ = std::max(next_id_, t.id + 1);
  tokens_.push_back(std::move(t));
}

std::optional<std::int64_t> marking::next_due(std::int64_t now) const {
  std::optional<std::int64_t> out;
  for (const token& t : tokens_)
    if (t.due > now && (!out || t.due < *out)) out = t.due;
  return out;
}

bool marking::may_join(std::uint32_t step, std::int64_t now) const {
  const auto comes_here = [&](std::uint32_t from) {
    return from != step && plan_->places[from].reaches[step];
  };
  for (std::uint32_t n = 0; n < running_.size(); ++n)
    if (running_[n] > 0 && comes_here(n)) return false;
  return std::ranges::none_of(
      tokens_, [&](const token& t) { return t.to == step ? t.due > now : comes_here(t.to); });
}

result<std::optional<visit>> marking::next(std::int64_t now) {
  if (tokens_.size() > max_waiting_values)
    return fail(errc::limit_exceeded, "more than 100,000 values wait in this run");
  bool delayed = false;
  std::optional<std::size_t> waiting_join;
  std::vector<bool> asked(plan_->places.size());  // joins that may not run yet
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const token& t = tokens_[i];
    if (t.due > now) {
      delayed = true;
      continue;
    }
    if (asked[t.to]) continue;
    if (plan_->places[t.to].takes == intake::one || may_join(t.to, now)) return begin(t.to, i);
    asked[t.to] = true;
    if (!waiting_join || t.to < tokens_[*waiting_join].to) waiting_join = i;
  }
  // Joins alone are left, each waiting for another: the one added first goes.
  const bool busy = std::ranges::any_of(running_, [](std::uint32_t n) { return n > 0; });
  if (waiting_join && !delayed && !busy) return begin(tokens_[*waiting_join].to, *waiting_join);
  return std::nullopt;
}

result<visit> marking::begin(std::uint32_t step, std::size_t first) {
  const step_def& s = plan_->step(step);
  const unsigned visits = done_[step] + running_[step];
  if (s.options.max_visits > 0 && visits >= s.options.max_visits)
    return fail(errc::limit_exceeded, "the step '" + s.name + "' would run more than " +
                                          std::to_string(s.options.max_visits) +
                                          " times, its max_visits");
  if (started_ >= plan_->g.max_steps)
    return fail(errc::limit_exceeded, "the run would take more than " +
                                          std::to_string(plan_->g.max_steps) +
                                          " steps; the next one is '" + s.name + "'");
  const plan::place& place = plan_->places[step];
  std::vector<std::uint64_t> ids;
  if (place.takes == intake::one) {
    ids.push_back(tokens_[first].id);
  } else {
    for (std::uint32_t e : place.in) {
      bool found = false;
      for (const token& t : tokens_) {
        if (t.to != step || t.edge != e) continue;
        found = true;
        ids.push_back(t.id);
        if (place.takes == intake::slots) break;
      }
      const auto slot = static_cast<std::size_t>(std::ranges::find(place.in, e) - place.in.begin());
      if (!found && place.takes == intake::slots && !s.in->slots[slot].optional)
        return fail(errc::missing_field,
                    "the join '" + s.name + "' lacks its input " + std::to_string(slot + 1) +
                        ": the edge " + told(plan_->g, plan_->g.edges[e]) +
                        " brought nothing; take a std::optional to allow that");
    }
  }
  return collect(step, ids);
}

visit marking::collect(std::uint32_t step, const std::vector<std::uint64_t>& ids) {
  const plan::place& place = plan_->places[step];
  const input_shape& in = *plan_->step(step).in;
  visit v{step, ids, {}};
  std::vector<value_ptr> values(place.takes == intake::slots ? place.in.size() : 0);
  for (std::uint64_t id : ids) {
    const token& t = *std::ranges::find(tokens_, id, &token::id);
    if (place.takes == intake::slots)
      values[static_cast<std::size_t>(std::ranges::find(place.in, t.edge) - place.in.begin())] =
          t.value;
    else
      values.push_back(t.value);
  }
  switch (place.takes) {
    case intake::one: v.input = values[0]; break;
    case intake::list: v.input = in.make_list(values); break;
    case intake::slots: v.input = in.make_tuple(values); break;
  }
  std::erase_if(tokens_, [&](const token& t) { return std::ranges::find(ids, t.id) != ids.end(); });
  ++running_[step];
  ++started_;
  return v;
}

std::optional<visit> marking::take(std::uint32_t step, const std::vector<std::uint64_t>& ids) {
  if (ids.empty()) return std::nullopt;
  const plan::place& place = plan_->places[step];
  if (place.takes == intake::one && ids.size() != 1) return std::nullopt;
  std::vector<std::uint32_t> seen;
  for (std::uint64_t id : ids) {
    const auto at = std::ranges::find(tokens_, id, &token::id);
    if (at == tokens_.end() || at->to != step) return std::nullopt;
    if (place.takes == intake::slots) {
      if (std::ranges::find(seen, at->edge) != seen.end()) return std::nullopt;
      seen.push_back(at->edge);
    }
  }
  if (place.takes == intake::slots)
    for (std::size_t i = 0; i < place.in.size(); ++i)
      if (!plan_->step(step).in->slots[i].optional &&
          std::ranges::find(seen, place.in[i]) == seen.end())
        return std::nullopt;
  return collect(step, ids);
}

}  // namespace odeon::workflows::detail
