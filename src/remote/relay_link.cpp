#include "internal/relay_link.hpp"

#include <algorithm>
#include <utility>

namespace odeon::remote::relay_detail {

relay_link::relay_link(const relay_transport_options& options,
                       std::function<void(std::span<std::byte>)> random, link_user& user)
    : options_(options),
      random_(std::move(random)),
      user_(user) {}

void relay_link::begin(time_point now) {
  state_ = state::waiting;
  reader_ = frame_reader(handshake_frame_max);
  out = {};
  began_ = heard_ = asked_ = now;
  next_ = 1;
  unsettled_.clear();
  waiting_.clear();
}

void relay_link::end(error why) {
  if (state_ == state::down) return;
  // What the link itself found is the better reason.
  if (state_ != state::over) why_ = std::move(why);
  state_ = state::down;
  unsettled_.clear();
  waiting_.clear();
  out = {};
  user_.on_lost(why_);
}

void relay_link::give_up(errc code, std::string why) {
  why_ = error(code, "the relay at " + options_.relay + ": " + std::move(why));
  state_ = state::over;
}

void relay_link::received(const_bytes in, time_point now) {
  if (state_ == state::down || state_ == state::over) return;
  heard_ = now;
  const auto fed = reader_.feed(in, [&](const_bytes body) { return handle(body, now); });
  if (!fed && state_ != state::over)
    give_up(errc::protocol_violation, std::string(fed.error().text()));
}

bool relay_link::handle(const_bytes body, time_point now) {
  const auto f = read_frame(body);
  if (!f) {
    give_up(errc::protocol_violation, std::string(f.error().text()));
    return false;
  }
  if (const auto* bye = std::get_if<goodbye>(&*f)) {
    replaced_ = bye->why == relay_refusal::replaced;
    why_ = told(bye->why, bye->text);
    state_ = state::over;
    return false;
  }
  if (const auto* c = std::get_if<challenge>(&*f); c && state_ == state::waiting)
    return on_challenge(*c);
  if (const auto* w = std::get_if<welcome>(&*f); w && state_ == state::registering)
    return on_welcome(*w, now);
  if (state_ == state::ready) {
    if (const auto* d = std::get_if<delivery>(&*f)) {
      user_.on_delivery(d->source, d->payload, now);
      return state_ == state::ready;
    }
    if (const auto* a = std::get_if<ack>(&*f)) {
      // Each number is looked at once, however often it is acknowledged.
      if (a->first < next_ && a->count <= next_ - a->first) {
        const std::uint64_t begin = std::max(a->first, next_ - unsettled_.size());
        for (std::uint64_t i = begin; i < a->first + a->count; ++i) taken(i);
        return true;
      }
    }
    if (const auto* n = std::get_if<nack>(&*f)) {
      refused(n->number, n->why, now);
      return true;
    }
    if (const auto* p = std::get_if<ping>(&*f)) {
      out.add(pong{p->token});
      return true;
    }
    if (std::holds_alternative<pong>(*f)) return true;
  }
  give_up(errc::protocol_violation, "it sent a frame that does not belong here");
  return false;
}

bool relay_link::on_challenge(const challenge& f) {
  const bool secret = !options_.secret.empty();
  const auto no = [&](errc code, std::string why) {
    give_up(code, std::move(why));
    return false;
  };
  if (f.lowest > version || f.highest < version)
    return no(errc::incompatible_peer,
              "it speaks versions " + std::to_string(f.lowest) + " to " +
                  std::to_string(f.highest) + " of the relay protocol, this node version " +
                  std::to_string(version) + ": update the older of the two");
  if (f.authenticate && !secret)
    return no(errc::authentication_failed, "it asks for a secret: give this node the relay's");
  if (!f.authenticate && secret)
    return no(errc::authentication_failed,
              "it asks for no secret, but this node has one: start it with the secret");
  if (f.envelope_bytes < 1024 || f.heartbeat_ms == 0 || f.heartbeat_ms > 3'600'000)
    return no(errc::protocol_violation, "its limits leave room for nothing");
  challenge_ = f;
  random_(random_bytes_);
  registration r;
  r.authenticate = secret;
  r.random = random_bytes_;
  r.name = options_.name;
  if (secret) r.tag = node_proof(wire::as_bytes(options_.secret), f.random, r.random, r.name);
  out.add(r);
  state_ = state::registering;
  return true;
}

bool relay_link::on_welcome(const welcome& f, time_point now) {
  if (!options_.secret.empty() &&
      !equal_in_constant_time(f.tag, relay_proof(wire::as_bytes(options_.secret), challenge_.random,
                                                 random_bytes_, options_.name))) {
    give_up(errc::authentication_failed, "it does not know the secret: compare the two");
    return false;
  }
  reader_.allow(challenge_.envelope_bytes);
  state_ = state::ready;
  user_.on_registered(now);
  return true;
}

error relay_link::told(relay_refusal why, std::string_view text) const {
  const errc code = [why] {
    switch (why) {
      case relay_refusal::authentication: return errc::authentication_failed;
      case relay_refusal::incompatible: return errc::incompatible_peer;
      case relay_refusal::replaced: return errc::name_taken;
      case relay_refusal::bad_name: return errc::invalid_argument;
      case relay_refusal::too_large:
      case relay_refusal::violation: return errc::protocol_violation;
      case relay_refusal::names_full:
      case relay_refusal::connections_full:
      case relay_refusal::host_full:
      case relay_refusal::handshakes_full: return errc::limit_exceeded;
      default: return errc::unreachable;
    }
  }();
  std::string all = "the relay at " + options_.relay + " ended the connection of '" +
                    options_.name + "': " + std::string(to_string(why));
  if (!text.empty()) {
    all += " (";
    for (const char c : text) all += (c >= ' ' && c < 127) ? c : '?';
    all += ")";
  }
  return {code, std::move(all)};
}

std::size_t relay_link::payload_max(std::string_view target) const noexcept {
  // Whichever of the two is longer: it must fit as a delivery as well.
  const std::size_t names = std::max(target.size(), options_.name.size());
  return challenge_.envelope_bytes - envelope_overhead - names;
}

void relay_link::send(std::string_view target, bytes payload, std::uint64_t tag, time_point now) {
  transmit({.tag = tag, .target = std::string(target), .payload = std::move(payload), .at = now},
           now);
}

void relay_link::transmit(pending p, time_point now) {
  p.at = now;
  out.add(envelope{next_++, p.target, p.payload});
  unsettled_.push_back(std::move(p));
}

relay_link::pending* relay_link::find(std::uint64_t number) {
  const std::uint64_t first = next_ - unsettled_.size();
  if (number < first || number >= next_) return nullptr;
  pending& p = unsettled_[number - first];
  return p.done ? nullptr : &p;
}

void relay_link::settle(pending& p) {
  p.done = true;
  while (!unsettled_.empty() && unsettled_.front().done) unsettled_.pop_front();
}

void relay_link::taken(std::uint64_t number) {
  pending* p = find(number);
  if (!p) return;  // late: it was sent again meanwhile
  const std::string target = std::move(p->target);
  const std::uint64_t tag = p->tag;
  const bool again = p->again;
  settle(*p);
  user_.on_taken(target, tag, again);
}

void relay_link::refused(std::uint64_t number, relay_refusal why, time_point now) {
  pending* found = find(number);
  if (!found) return;
  pending p = std::move(*found);
  settle(*found);
  p.why = why;
  if (p.again) return user_.on_undelivered(p.target, p.tag, why);
  user_.on_retry(p.target, p.tag, why);
  p.again = true;
  p.done = false;
  p.at = now + options_.limits.retry_after;
  waiting_.push_back(std::move(p));
}

void relay_link::tick(time_point now) {
  if (state_ == state::waiting || state_ == state::registering) {
    if (now - began_ > options_.limits.handshake)
      give_up(errc::connect_timeout, "no registration within " +
                                         odeon::to_string(options_.limits.handshake) +
                                         ": is a relay at that address?");
    return;
  }
  if (state_ != state::ready) return;
  const duration heartbeat = std::chrono::milliseconds(challenge_.heartbeat_ms);
  if (now - heard_ > 3 * heartbeat)
    return give_up(errc::unreachable, "nothing was heard for " + odeon::to_string(now - heard_));
  if (now - std::max(heard_, asked_) >= heartbeat) {
    asked_ = now;
    out.add(ping{next_});
  }
  while (!waiting_.empty() && waiting_.front().at <= now) {
    pending p = std::move(waiting_.front());
    waiting_.pop_front();
    transmit(std::move(p), now);
  }
  // Not acknowledged in time; in the order of their sending, which is that of their numbers.
  for (std::size_t late = unsettled_.size(); late > 0 && !unsettled_.empty(); --late) {
    pending& first = unsettled_.front();
    if (!first.done && now - first.at < options_.limits.retry_after) break;
    pending p = std::move(first);
    unsettled_.pop_front();
    if (p.done) continue;
    if (p.again) {
      user_.on_undelivered(p.target, p.tag, relay_refusal::none);
    } else {
      user_.on_retry(p.target, p.tag, relay_refusal::none);
      p.again = true;
      transmit(std::move(p), now);
    }
  }
}

}  // namespace odeon::remote::relay_detail
