// What channels hear from their peers, and what becomes of them when the link or a peer is gone.

#include "internal/relay_mux.hpp"

#include <algorithm>
#include <utility>

namespace odeon::remote::relay_detail {

namespace {

constexpr std::size_t early_max = 1024;                    // pieces ahead of a missing one
constexpr std::size_t small_block = 4096;                  // pieces are joined up to here
constexpr std::size_t tokens = 2;                          // between healthy and silent, in probes
constexpr duration routes_kept = std::chrono::minutes(1);  // without connections

std::string away(const relay_transport_options& o, std::string_view name) {
  return "no node has registered '" + std::string(name) + "' at the relay " + o.relay +
         ": start it, or check the name";
}

}  // namespace

relay_mux::route* relay_mux::known(std::string_view peer) {
  const auto found = routes_.find(peer);
  if (found != routes_.end()) return &found->second;
  if (routes_.size() >= options_.limits.routes) return nullptr;
  route& r = routes_[std::string(peer)];
  r.seen.name = peer;
  r.heard = now_;
  return &r;
}

channel* relay_mux::find(std::string_view peer, bool opener, std::uint64_t id) {
  const auto p = by_peer_.find(peer);
  if (p == by_peer_.end()) return nullptr;
  const auto c = p->second.find({id, opener});
  return c == p->second.end() ? nullptr : c->second;
}

void relay_mux::answer_abort(std::string_view target, bool opener, std::uint64_t id) {
  say(target, 0, head(word::abort, opener, id));
}

// -- the link -------------------------------------------------------------------------------------

void relay_mux::on_registered(time_point now) {
  now_ = now;
  ++registrations_;
  std::array<std::byte, 8> fresh = {};
  random_(fresh);
  session_ = field_reader(fresh).number<std::uint64_t>() | 1U;
  for (auto& [name, r] : routes_) {
    r.session = 0;
    r.retrying = 0;
    r.heard = r.asked = now;
  }
  std::vector<channel_ptr> opening;
  for (const auto& [handle, c] : channels_)
    if (c->at == channel::stage::opening) opening.push_back(c);
  std::ranges::sort(opening, {}, &channel::handle);
  for (const auto& c : opening) ask(*c, now);
}

void relay_mux::on_lost(const error& why) {
  std::vector<channel_ptr> all;
  for (const auto& [handle, c] : channels_) all.push_back(c);
  std::ranges::sort(all, {}, &channel::handle);
  const bool hopeless = is_lasting(why.code());
  for (const auto& c : all) {
    if (c->at == channel::stage::opening && !hopeless) {
      c->asked = false;
      c->unsettled = c->retried = 0;
    } else if (c->at == channel::stage::opening) {
      refuse_connect(*c, why);
    } else {
      fail_channel(*c, "the connection to the relay ended");
    }
  }
}

void relay_mux::settle(channel& c, time_point now) {
  if (c.let_go && c.unsettled == 0 && (c.end_at || now >= c.lingers_until)) forget(c);
}

void relay_mux::on_taken(std::string_view target, std::uint64_t tag, bool again) {
  if (route* r = known(target)) {
    ++r->seen.taken;
    if (again && r->retrying > 0) --r->retrying;
  }
  const auto found = channels_.find(tag);
  if (found == channels_.end()) return;
  const channel_ptr c = found->second;
  --c->unsettled;
  if (again) --c->retried;
  list(*c);
  settle(*c, now_);
}

void relay_mux::on_retry(std::string_view target, std::uint64_t tag, relay_refusal why) {
  if (route* r = known(target)) {
    ++r->retrying;
    ++r->seen.retried;
    ++r->seen.sent;
    if (why != relay_refusal::none) {
      ++r->seen.refused;
      r->seen.last_refusal = why;
    }
  }
  if (const auto found = channels_.find(tag); found != channels_.end()) ++found->second->retried;
}

void relay_mux::on_undelivered(std::string_view target, std::uint64_t tag, relay_refusal why) {
  if (route* r = known(target)) {
    if (r->retrying > 0) --r->retrying;
    if (why != relay_refusal::none) {
      ++r->seen.refused;
      r->seen.last_refusal = why;
    }
  }
  const auto found = channels_.find(tag);
  const channel_ptr c = found == channels_.end() ? nullptr : found->second;
  const std::string text = why == relay_refusal::unknown_target ? away(options_, target)
                           : why == relay_refusal::none
                               ? "the relay does not acknowledge"
                               : "the relay refused: " + std::string(to_string(why));
  if (c && c->at == channel::stage::opening) {
    const errc code = why == relay_refusal::unknown_target ? errc::unknown_host
                      : why == relay_refusal::overloaded   ? errc::peer_overloaded
                                                           : errc::unreachable;
    refuse_connect(*c, {code, "cannot connect to " + c->peer_address + ": " + text});
  } else if (c && why != relay_refusal::unknown_target) {
    say(target, 0, head(word::abort, c->opener, c->id));
    fail_channel(*c, text);
  }
  if (why == relay_refusal::unknown_target) fail_route(target, text);
}

void relay_mux::fail_channel(channel& c, const std::string& why) {
  if (c.at == channel::stage::gone) return;
  if (c.why.empty()) c.why = why;
  c.in_broken = c.out_broken = true;
  c.from.clear();
  c.ready.clear();
  c.early.clear();
  c.ready_bytes = c.ready_at = c.early_bytes = 0;
  const error told(errc::io_failed,
                   "the connection to " + c.peer_address + " through the relay broke: " + c.why);
  complete(c.reading, result<std::size_t>(std::unexpected(told)));
  complete(c.writing, result<void>(std::unexpected(told)));
  if (c.connecting) return refuse_connect(c, {errc::unreachable, std::string(told.text())});
  forget(c);
}

/// Those that are open; one that is being opened has its own time-out.
void relay_mux::fail_route(std::string_view peer, const std::string& why) {
  const auto p = by_peer_.find(peer);
  if (p == by_peer_.end()) return;
  std::vector<channel_ptr> all;
  for (const auto& [key, c] : p->second)
    if (c->at == channel::stage::open) all.push_back(channels_.at(c->handle));
  for (const auto& c : all) fail_channel(*c, why);
}

// -- the peers ------------------------------------------------------------------------------------

void relay_mux::on_delivery(std::string_view source, const_bytes payload, time_point now) {
  now_ = now;
  field_reader in(payload);
  const auto first = in.number<std::uint8_t>();
  const auto session = in.number<std::uint64_t>();
  const auto id = in.number<std::uint64_t>();
  if (!in.good() || session == 0) return;  // no node sends that
  route* r = known(source);
  if (!r) return;
  if (r->session != session && r->session != 0) fail_route(source, "the node has registered anew");
  r->session = session;
  r->heard = now;
  const bool opener = (first & by_opener) == 0;  // whether this end would be
  const auto w = static_cast<word>(first & ~by_opener);
  if (w == word::probe) {
    bytes b = head(word::answer, false, 0);
    put(b, in.number<std::uint64_t>());
    return in.good() ? say(source, 0, std::move(b)) : void();
  }
  if (w == word::answer) {
    // The token is what this side's clock showed; anybody may have made it up.
    const auto at = static_cast<std::uint64_t>(now.time_since_epoch().count());
    const duration trip(at - in.number<std::uint64_t>());
    if (in.good() && trip >= duration::zero() && trip < std::chrono::minutes(1))
      r->seen.round_trip = trip;
    return;
  }
  if (w == word::open) {
    if (!opener) opened(source, id, in);
    return;
  }
  channel* c = find(source, opener, id);
  if (!c) {
    if (w == word::data || w == word::accept) answer_abort(source, opener, id);
    return;
  }
  const channel_ptr kept = channels_.at(c->handle);
  if (!heard(*kept, w, in) && kept->at != channel::stage::gone) {
    answer_abort(source, opener, id);
    fail_channel(*kept, "the peer broke the protocol");
  }
  settle(*kept, now);
}

void relay_mux::opened(std::string_view source, std::uint64_t id, field_reader& r) {
  const auto to = r.number<std::uint16_t>();
  const auto from = r.number<std::uint16_t>();
  const auto limit = r.number<std::uint64_t>();
  if (!r.whole()) return;
  if (channel* c = find(source, false, id)) return say(*c, word::accept, c->granted);  // twice
  const auto no = [&](refuse_reason why) {
    bytes b = head(word::refuse, false, id);
    put(b, static_cast<std::uint8_t>(why));
    say(source, 0, std::move(b));
  };
  const auto found = ports_.find(to);
  if (found == ports_.end()) return no(refuse_reason::closed);
  if (channels_.size() >= options_.limits.connections) return no(refuse_reason::full);
  port_state& p = *found->second;
  if (!p.accepting && p.waiting.size() >= p.backlog) return no(refuse_reason::backlog);
  const channel_ptr c = make(std::string(source), false, id, to, from);
  c->at = channel::stage::open;
  c->limit = limit;
  c->granted = options_.limits.window_bytes;
  say(*c, word::accept, c->granted);
  if (p.accepting)
    complete(p.accepting, result<std::unique_ptr<connection>>(wrap_(c)));
  else
    p.waiting.push_back(c);
}

/// False: no node says that.
bool relay_mux::heard(channel& c, word w, field_reader& r) {
  switch (w) {
    case word::accept: {
      const auto limit = r.number<std::uint64_t>();
      if (!r.whole() || !c.opener) return false;
      if (c.at != channel::stage::opening) return true;
      c.at = channel::stage::open;
      c.limit = limit;
      complete(c.connecting, result<std::unique_ptr<connection>>(wrap_(channels_.at(c.handle))));
      return true;
    }
    case word::refuse: {
      const auto why = static_cast<refuse_reason>(r.number<std::uint8_t>());
      if (!r.whole() || c.at != channel::stage::opening) return r.whole();
      const std::string to = "cannot connect to " + c.peer_address + " through the relay: ";
      if (why == refuse_reason::closed)
        refuse_connect(
            c, {errc::connection_refused, to + "refused: that node does not listen on that port"});
      else
        refuse_connect(
            c, {errc::connection_refused, to + "refused: as many connections wait there as may"});
      return true;
    }
    case word::data: {
      const auto offset = r.number<std::uint64_t>();
      const const_bytes data = r.rest();
      if (!r.good() || data.size() > c.granted || offset > c.granted - data.size()) return false;
      if (c.end_at && offset + data.size() > *c.end_at) return false;
      if (c.let_go || c.in_broken) return true;
      arrived(c, offset, data);
      return c.early.size() <= early_max && c.early_bytes <= options_.limits.window_bytes;
    }
    case word::end: {
      const auto offset = r.number<std::uint64_t>();
      if (!r.whole() || offset < c.got || offset > c.granted) return false;
      if (c.end_at && *c.end_at != offset) return false;
      c.end_at = offset;
      if (!c.let_go) give(c);
      return true;
    }
    case word::grant: {
      const auto limit = r.number<std::uint64_t>();
      if (!r.whole()) return false;
      c.limit = std::max(c.limit, limit);
      list(c);
      return true;
    }
    case word::stop: break_out(c); return r.whole();
    case word::abort: fail_channel(c, "it was reset by the peer"); return true;
    default: return false;
  }
}

void relay_mux::arrived(channel& c, std::uint64_t offset, const_bytes data) {
  if (offset > c.got) {  // one before it is missing yet
    bytes& kept = c.early[offset];
    if (data.size() > kept.size()) {
      c.early_bytes += data.size() - kept.size();
      kept.assign(data.begin(), data.end());
    }
    return;
  }
  const auto take = [&c](std::uint64_t at, const_bytes b) {
    if (at + b.size() <= c.got) return;  // it was there
    b = b.subspan(static_cast<std::size_t>(c.got - at));
    if (c.ready.empty() || c.ready.back().size() + b.size() > small_block) c.ready.emplace_back();
    put(c.ready.back(), b);
    c.ready_bytes += b.size();
    c.got += b.size();
  };
  take(offset, data);
  while (!c.early.empty() && c.early.begin()->first <= c.got) {
    take(c.early.begin()->first, c.early.begin()->second);
    c.early_bytes -= c.early.begin()->second.size();
    c.early.erase(c.early.begin());
  }
  give(c);
}

// -- the clock ------------------------------------------------------------------------------------

void relay_mux::tick(time_point now) {
  now_ = now;
  link.tick(now);
  std::vector<channel_ptr> late;
  for (const auto& [handle, c] : channels_)
    if ((c->at == channel::stage::opening && now >= c->until) || c->let_go) late.push_back(c);
  std::ranges::sort(late, {}, &channel::handle);
  for (const auto& c : late) {
    if (c->let_go) {
      settle(*c, now);
    } else if (link.is_ready()) {
      say(c->peer, 0, head(word::abort, true, c->id));
      refuse_connect(*c, {errc::connect_timeout, "cannot connect to " + c->peer_address +
                                                     ": no answer through the relay in time"});
    } else {
      const errc code = link.why() == errc::cancelled ? errc::unreachable : link.why().code();
      refuse_connect(*c, {code, "cannot connect to " + c->peer_address + ": " +
                                    std::string(link.why().text())});
    }
  }
  if (!link.is_ready()) return;
  std::erase_if(routes_, [&](const auto& r) {
    return !by_peer_.contains(r.first) && r.second.retrying == 0 &&
           now - r.second.heard > routes_kept;
  });
  std::vector<std::string> silent;
  for (auto& [name, r] : routes_) {
    if (!by_peer_.contains(name)) {
      continue;
    } else if (now - r.heard > options_.limits.silent_after) {
      silent.push_back(name);
    } else if (now - std::max(r.heard, r.asked) >= options_.limits.probe_every) {
      r.asked = now;
      bytes b = head(word::probe, true, 0);
      put(b, static_cast<std::uint64_t>(now.time_since_epoch().count()));
      say(name, 0, std::move(b));
    }
  }
  for (const auto& name : silent) {
    fail_route(name, "nothing was heard from that node for " +
                         odeon::to_string(options_.limits.silent_after));
    if (route* r = known(name)) r->heard = now;
  }
}

std::vector<relay_route> relay_mux::routes(time_point now) const {
  std::vector<relay_route> all;
  for (const auto& [name, r] : routes_) {
    relay_route seen = r.seen;
    const auto p = by_peer_.find(name);
    seen.connections = p == by_peer_.end() ? 0 : p->second.size();
    seen.silent_for = now - r.heard;
    seen.healthy = r.retrying == 0 && (seen.connections == 0 ||
                                       seen.silent_for < tokens * options_.limits.probe_every);
    all.push_back(std::move(seen));
  }
  return all;
}

}  // namespace odeon::remote::relay_detail
