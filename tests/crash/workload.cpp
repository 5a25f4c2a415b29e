#include "crash/workload.hpp"

namespace crash {

std::uint64_t mix(std::uint64_t a, std::uint64_t b, std::uint64_t c) noexcept {
  std::uint64_t out = a;
  for (const std::uint64_t part : {b, c}) {
    out += 0x9e37'79b9'7f4a'7c15ULL * (part + 1);
    out = (out ^ (out >> 30)) * 0xbf58'476d'1ce4'e5b9ULL;
    out = (out ^ (out >> 27)) * 0x94d0'49bb'1331'11ebULL;
    out ^= out >> 31;
  }
  return out;
}

std::string id_of(std::uint32_t id) { return "actor-" + std::to_string(id); }

namespace {

constexpr std::size_t pool_size = 1u << 16;

// Noise to cut contents from.
const std::string& pool() {
  static const std::string bytes = [] {
    std::string out(pool_size, '\0');
    dice fill(17);
    for (char& c : out) c = static_cast<char>(fill.next());
    return out;
  }();
  return bytes;
}

}  // namespace

std::vector<std::byte> content(std::uint32_t id, std::uint64_t number, std::size_t length) {
  std::string text = id_of(id) + ":" + std::to_string(number) + ":";
  if (length > text.size()) {
    const std::size_t wanted = length - text.size();
    text.append(pool(), mix(id, number) % (pool_size - wanted), wanted);
  }
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

namespace {

// Mostly small; some cross pages, a few cross many.
std::size_t length_of(std::uint64_t chance) {
  if (chance % 97 == 0) return 20'000 + chance % 10'000;
  if (chance % 13 == 0) return 3'000 + chance % 4'000;
  return chance % 180;
}

odeon::wall_time instant(std::uint64_t n) {
  return odeon::wall_time(odeon::duration(static_cast<std::int64_t>(n)));
}

void add_events(odeon::append_request& r, std::uint32_t id, std::uint64_t step, dice& d) {
  std::uint64_t count = d.below(4);
  if (d.one_in(40)) count = 25;
  for (std::uint64_t k = 0; k < count; ++k) {
    odeon::event_record e{.manifest = "e" + std::to_string(d.below(3)),
                          .version = static_cast<std::uint32_t>(1 + d.below(3)),
                          .payload = content(id, step * 100 + k, length_of(d.next())),
                          .tags = {}};
    for (std::uint64_t tag = d.below(3); tag > 0; --tag)
      e.tags.push_back("t" + std::to_string(d.below(4)));
    r.events.push_back(std::move(e));
  }
}

}  // namespace

odeon::append_request request_of(std::uint32_t id, std::uint64_t step) {
  dice d(mix(0x77, id, step));
  odeon::append_request r;
  r.persistence_id = id_of(id);
  if (!keeps_states(id)) {
    add_events(r, id, step, d);
  } else if (!d.one_in(4)) {
    r.state.emplace(odeon::state_record{.manifest = "s",
                                        .version = static_cast<std::uint32_t>(1 + d.below(3)),
                                        .payload = content(id, step, length_of(d.next())),
                                        .keep = static_cast<std::uint32_t>(1 + d.below(3))});
  }
  for (std::uint64_t k = d.below(5); k > 2; --k)
    r.outbox.push_back({.id = id_of(id) + "/" + std::to_string(step) + "/" + std::to_string(k),
                        .target = "actor-" + std::to_string(d.below(10)),
                        .manifest = "m",
                        .version = 1,
                        .payload = content(id, step, length_of(d.next()))});
  r.set_timers.push_back(
      {.id = "step", .due = instant(step + 1), .manifest = "t", .version = 1, .payload = {}});
  r.marks.push_back({.name = "step", .value = step + 1});
  // Conditional changes: one that is always met, one that is after the step before did the first
  // and was not followed by a removal, and one that never is.
  odeon::timer_change change{.persistence_id = r.persistence_id, .timer_id = "y"};
  switch (d.below(3)) {
    case 0: change.set = {.id = "y", .due = instant(step), .manifest = "t", .payload = {}}; break;
    case 1: change.only_if_due = instant(step - 1); break;
    default:
      change.only_if_due = instant(999'999'999);
      change.set = {.id = "y", .due = instant(step), .manifest = "never", .payload = {}};
  }
  r.change_timers.push_back(std::move(change));
  const std::string other = "x" + std::to_string(d.below(4));
  if (d.one_in(3))
    r.cancel_timers.push_back(other);
  else
    r.set_timers.push_back({.id = other,
                            .due = instant(d.below(1'000'000)),
                            .manifest = "t",
                            .version = 2,
                            .payload = content(id, step, length_of(d.next()))});
  r.marks.push_back({.name = other, .value = d.one_in(3) ? 0 : d.next() >> 1});
  return r;
}

odeon::save_snapshot_request snapshot_of(std::uint32_t id, std::uint64_t sequence) {
  return {.persistence_id = id_of(id),
          .epoch = 0,
          .sequence = sequence,
          .manifest = "snap",
          .version = 3,
          .payload = content(id, sequence, length_of(mix(id, sequence))),
          .keep = 2};
}

void expected::advance(std::uint32_t id) {
  odeon::append_request r = request_of(id, step);
  step += 1;
  for (auto& e : r.events) events.push_back(std::move(e));
  sequence += r.events.size();
  if (r.state) {
    sequence += 1;
    state = std::move(*r.state);
  }
  for (auto& m : r.outbox) outbox.push_back({step - 1, sequence, std::move(m)});
  for (const auto& c : r.change_timers) {
    const auto there = timers.find(c.timer_id);
    if (c.only_if_due && (there == timers.end() || there->second.due != *c.only_if_due)) continue;
    if (c.set)
      timers[c.timer_id] = *c.set;
    else
      timers.erase(c.timer_id);
  }
  for (const auto& t : r.cancel_timers) timers.erase(t);
  for (auto& t : r.set_timers) timers[t.id] = t;
  for (const auto& m : r.marks) {
    if (m.value == 0)
      marks.erase(m.name);
    else
      marks[m.name] = m.value;
  }
}

expected expected_after(std::uint32_t id, std::uint64_t steps) {
  expected out;
  while (out.step < steps) out.advance(id);
  return out;
}

}  // namespace crash
