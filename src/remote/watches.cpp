// Watching, linking and stopping across nodes. Each tie of an actor here and one there stands in
// the table of its peer on both sides until one of them has ended, or was untied, or the peer's
// incarnation is gone. Records are sent after the table was changed; whoever takes the tie out of
// the table tells the one here, so each is told once.

#include "internal/endpoint_state.hpp"
#include "internal/handshake.hpp"
#include <odeon/core/log.hpp>

#include <utility>

namespace odeon::remote::detail {

namespace {

exit_reason reason_of(const records::ended& r) {
  constexpr auto last = static_cast<std::uint8_t>(exit_kind::unreachable);
  return {static_cast<exit_kind>(std::min(r.kind, last)), r.text};
}

exit_reason lost(const error& why) { return {exit_kind::unreachable, why.to_string()}; }

void tell(const tie& t, const exit_reason& why) noexcept {
  switch (t.kind) {
    case tie_kind::watches: core::tell_terminated_of(*t.local.get(), t.far, why); return;
    case tie_kind::is_watched: core::unwatch_for(*t.local.get(), t.far); return;
    case tie_kind::link: core::tell_exit_of(*t.local.get(), t.far, why); return;
  }
}

records::name name_of(const far_actor& f) { return {f.where().path, f.where().uid}; }

}  // namespace

// -- from here ------------------------------------------------------------------------------------

void endpoint_state::tie(far_actor& f, core::cell& self, any_ref local, tie_kind kind) {
  detail::tie made{any_ref::share(&self), std::move(local), kind};
  const auto ties = ties_of(*f.at());
  if (!ties) return tell(made, lost({errc::unreachable, "the endpoint of this side is closed"}));
  const records::name target = detail::name_of(f);
  const records::name own = name_of(made.local);
  {
    const std::lock_guard guard(ties->mutex);
    if (!ties->all.insert(std::move(made)).second) return;
  }
  f.at()->send_control(kind == tie_kind::link ? records::to_bytes(records::link{target, own})
                                              : records::to_bytes(records::watch{target, own}));
}

void endpoint_state::untie(far_actor& f, core::cell& self, any_ref local, tie_kind kind) {
  const auto ties = ties_if(*f.at());
  if (!ties) return;
  const records::name own = name_of(local);
  {
    const std::lock_guard guard(ties->mutex);
    if (ties->all.erase({any_ref::share(&self), std::move(local), kind}) == 0) return;
  }
  const records::name target = detail::name_of(f);
  f.at()->send_control(kind == tie_kind::link ? records::to_bytes(records::unlink{target, own})
                                              : records::to_bytes(records::unwatch{target, own}));
}

void endpoint_state::stop(far_actor& f, bool kill) {
  if (!is_closed())
    f.at()->send_control(records::to_bytes(records::stop{detail::name_of(f), kill}));
}

void endpoint_state::ended_here(far_actor& f, core::cell& self, const any_ref& who,
                                const exit_reason& reason, tie_kind kind) {
  if (!f.at()) return;
  const auto ties = ties_if(*f.at());
  if (!ties) return;
  {
    const std::lock_guard guard(ties->mutex);
    if (ties->all.erase({any_ref::share(&self), who, kind}) == 0) return;
  }
  f.at()->send_control(records::to_bytes(records::ended{name_of(who), detail::name_of(f),
                                                        static_cast<std::uint8_t>(reason.kind),
                                                        reason.text, kind == tie_kind::link}));
}

// -- from there -----------------------------------------------------------------------------------

void endpoint_state::tied_from_there(peer& from, const records::name& target,
                                     const records::name& other, tie_kind kind) {
  const bool linked = kind == tie_kind::link;
  const auto refuse = [&](exit_kind why, std::string text) {
    from.send_control(records::to_bytes(
        records::ended{target, other, static_cast<std::uint8_t>(why), std::move(text), linked}));
  };
  auto here = find_here(target.path, target.uid);
  if (!here) return refuse(exit_kind::no_such_actor, std::string(here.error().text()));
  const any_ref there = far_of(from, other.path, other.uid);
  const auto ties = ties_of(from);
  if (!there || !ties) return refuse(exit_kind::unreachable, "there is no way back");
  {
    const std::lock_guard guard(ties->mutex);
    if (ties->all.size() >= allowed_.watches_per_peer)
      return refuse(exit_kind::unreachable, "the watches of one peer are at their bound, " +
                                                std::to_string(allowed_.watches_per_peer));
    if (!ties->all.insert({there, *here, kind}).second) return;
  }
  if (linked)
    core::link_for(*here->get(), there);
  else
    core::watch_for(*here->get(), there);
}

void endpoint_state::untied_from_there(peer& from, const records::name& target,
                                       const records::name& other, tie_kind kind) {
  const auto ties = ties_if(from);
  const auto here = find_here(target.path, target.uid);
  const any_ref there = far.find(from.node(), other.path, other.uid);
  if (!ties || !here || !there) return;  // it has ended meanwhile
  {
    const std::lock_guard guard(ties->mutex);
    if (ties->all.erase({there, *here, kind}) == 0) return;
  }
  if (kind == tie_kind::link)
    core::unlink_for(*here->get(), there);
  else
    core::unwatch_for(*here->get(), there);
}

void endpoint_state::on(peer& from, records::watch& r) {
  tied_from_there(from, r.target, r.watcher, tie_kind::is_watched);
}
void endpoint_state::on(peer& from, records::unwatch& r) {
  untied_from_there(from, r.target, r.watcher, tie_kind::is_watched);
}
void endpoint_state::on(peer& from, records::link& r) {
  tied_from_there(from, r.target, r.other, tie_kind::link);
}
void endpoint_state::on(peer& from, records::unlink& r) {
  untied_from_there(from, r.target, r.other, tie_kind::link);
}

void endpoint_state::on(peer& from, records::ended& r) {
  const exit_reason why = reason_of(r);
  const auto ties = ties_if(from);
  const auto here = find_here(r.to.path, r.to.uid);
  // A reference without a uid goes by the path alone.
  for (const std::uint64_t uid : {r.who.uid, std::uint64_t{0}}) {
    const any_ref there = far.find(from.node(), r.who.path, uid);
    if (there && uid != 0 && why.kind != exit_kind::unreachable) core::far_cell_ended(*there.get());
    if (!ties || !here || !there) continue;
    detail::tie t{there, *here, r.linked ? tie_kind::link : tie_kind::watches};
    bool was_there = false;
    {
      const std::lock_guard guard(ties->mutex);
      was_there = ties->all.erase(t) > 0;
    }
    if (was_there) tell(t, why);
    if (r.who.uid == 0) return;
  }
}

void endpoint_state::on(peer& from, records::stop& r) {
  if (!allowed_.stop) {
    // Once for each incarnation, however often it asks, and nothing of its making but what is seen.
    const auto ties = ties_of(from);
    if (!ties) return;
    {
      const std::lock_guard guard(ties->mutex);
      if (std::exchange(ties->stop_refused, true)) return;
    }
    logger(system_name_)
        .warn("{} asked to stop {}, which this endpoint does not permit (permissions::stop)",
              from.node(), made_printable(r.target.path));
    return;
  }
  const auto here = find_here(r.target.path, r.target.uid);
  if (!here) return;
  if (r.kill)
    system_.kill(*here);
  else
    system_.stop(*here);
}

void endpoint_state::untie_all(peer_ties& of, const error& why) noexcept {
  std::set<detail::tie> all;
  {
    const std::lock_guard guard(of.mutex);
    all = std::exchange(of.all, {});
  }
  const exit_reason reason = lost(why);
  for (const detail::tie& t : all) tell(t, reason);
}

std::size_t endpoint_state::tie_count() const {
  std::size_t n = 0;
  const std::shared_lock guard(ties_mutex_);
  for (const auto& [at, t] : ties_) {
    const std::lock_guard inner(t->mutex);
    n += t->all.size();
  }
  return n;
}

void endpoint_state::on_control(peer& from, std::span<const std::byte> record) noexcept {
  try {
    auto read = records::from_bytes(record);
    if (!read) {
      const error why(errc::protocol_violation,
                      "a control record of " + from.node() +
                          " cannot be read: " + made_printable(read.error().to_string()));
      logger(system_name_).warn("{}", why.text());
      const std::shared_lock guard(hub_mutex_);
      if (hub_) hub_->violated(from, why);
      return;
    }
    std::visit([&](auto& r) { on(from, r); }, *read);
  } catch (const std::exception& e) {
    logger(system_name_).error("a control record of {} was lost: {}", from.node(), e.what());
  }
}

}  // namespace odeon::remote::detail
