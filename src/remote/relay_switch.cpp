#include "internal/relay_switch.hpp"

#include <algorithm>
#include <utility>

namespace odeon::remote::relay_detail {

namespace {

constexpr std::size_t block_size = 64 * 1024;

double seconds(duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

bytes& output::tail() {
  if (blocks_.empty() || blocks_.back().size() >= block_size) blocks_.emplace_back();
  return blocks_.back();
}

void output::added(std::size_t before) { size_ += blocks_.back().size() - before; }

std::vector<bytes> output::take(std::size_t most) {
  std::vector<bytes> batch;
  if (under_way_ > 0) return batch;
  while (!blocks_.empty() && batch.size() < most) {
    under_way_ += blocks_.front().size();
    batch.push_back(std::move(blocks_.front()));
    blocks_.pop_front();
  }
  return batch;
}

struct relay_switch::node {
  node(id i, std::string h, time_point now)
      : number(i),
        host(std::move(h)),
        reader(handshake_frame_max),
        began(now),
        heard(now),
        moved(now),
        filled(now) {}
  const id number;
  const std::string host;
  std::string name;  // once registered, and until its goodbye
  nonce random = {};
  frame_reader reader;
  output out;
  std::uint64_t next = 1;   // number of the next envelope
  time_point began;         // the connection, then the registration
  time_point heard, moved;  // bytes came; bytes went
  time_point asked{};       // with a ping
  // What it may send now; below zero, it is not read from.
  double bytes_left = 0, envelopes_left = 0;
  time_point filled;
  std::uint64_t in = 0, sent = 0;
  bool has_name = false, over = false, lost = false, listed = false;
  bool overloaded = false, throttled = false;
};

relay_switch::relay_switch(std::string secret, const relay_limits& bounds,
                           std::function<void(std::span<std::byte>)> random)
    : secret_(std::move(secret)),
      limits_(bounds),
      random_(std::move(random)) {}
relay_switch::~relay_switch() = default;

bool relay_switch::opened(id c, std::string host, time_point now) {
  auto& from_there = hosts_[host];
  const auto why = draining_                              ? relay_refusal::draining
                   : nodes_.size() >= limits_.connections ? relay_refusal::connections_full
                   : handshakes_ >= limits_.handshakes    ? relay_refusal::handshakes_full
                   : limits_.connections_per_host > 0 && from_there >= limits_.connections_per_host
                       ? relay_refusal::host_full
                       : relay_refusal::none;
  if (why != relay_refusal::none) {
    count(why);
    events_.push_back({relay_event::kind::rejected, {}, host, why});
    if (from_there == 0) hosts_.erase(host);
    return false;
  }
  ++from_there;
  ++handshakes_;
  ++totals_.accepted_total;
  auto n = std::make_unique<node>(c, std::move(host), now);
  random_(n->random);
  n->bytes_left = static_cast<double>(limits_.bytes_per_second);
  n->envelopes_left = static_cast<double>(limits_.envelopes_per_second);
  challenge hello;
  hello.authenticate = !secret_.empty();
  hello.random = n->random;
  hello.envelope_bytes = static_cast<std::uint32_t>(limits_.envelope_bytes);
  hello.heartbeat_ms = static_cast<std::uint32_t>(limits_.heartbeat / std::chrono::milliseconds(1));
  say(*n, hello);
  nodes_.emplace(c, std::move(n));
  return true;
}

void relay_switch::received(id c, const_bytes in, time_point now) {
  const auto found = nodes_.find(c);
  if (found == nodes_.end() || found->second->over) return;
  node& n = *found->second;
  n.heard = now;
  spend(n, in.size(), now);
  ack_run run;
  const auto fed = n.reader.feed(in, [&](const_bytes body) { return handle(n, body, now, run); });
  flush(n, run);
  if (!fed && !n.over)
    end(n, n.has_name ? relay_refusal::too_large : relay_refusal::violation, fed.error().text());
}

bool relay_switch::handle(node& n, const_bytes body, time_point now, ack_run& run) {
  const auto f = read_frame(body);
  if (!f) {
    end(n, relay_refusal::violation, f.error().text());
    return false;
  }
  if (const auto* r = std::get_if<registration>(&*f); r && !n.has_name)
    return on_register(n, *r, now);
  if (const auto* bye = std::get_if<goodbye>(&*f)) {
    n.lost = true;  // it said so itself: nothing is left to tell it
    end(n, relay_refusal::none, bye->text);
    return false;
  }
  if (n.has_name) {
    if (const auto* e = std::get_if<envelope>(&*f)) return on_envelope(n, *e, run);
    if (const auto* p = std::get_if<ping>(&*f)) {
      say(n, pong{p->token});
      return !n.over;
    }
    if (std::holds_alternative<pong>(*f)) return true;
  }
  end(n, relay_refusal::violation, "a frame that does not belong here");
  return false;
}

bool relay_switch::on_register(node& n, const registration& f, time_point now) {
  const auto no = [&](relay_refusal why, std::string_view text) {
    end(n, why, text);
    return false;
  };
  if (f.chosen != version) return no(relay_refusal::incompatible, "this relay speaks version 1");
  const bool wanted = !secret_.empty();
  if (f.authenticate != wanted ||
      (wanted && !equal_in_constant_time(
                     f.tag, node_proof(wire::as_bytes(secret_), n.random, f.random, f.name))))
    return no(relay_refusal::authentication,
              "the secret is not the one of this relay: compare the two");
  if (!is_relay_name(f.name))
    return no(relay_refusal::bad_name, "1 to 128 letters, digits, '.', '_' and '-'");
  const auto old = names_.find(f.name);
  if (old != names_.end()) {
    end(*old->second, relay_refusal::replaced,
        "another connection has registered the name " + std::string(f.name));
  } else if (names_.size() >= limits_.names) {
    return no(relay_refusal::names_full, "the relay has as many names as it may");
  }
  n.name = f.name;
  n.has_name = true;
  n.began = now;
  names_.insert_or_assign(n.name, &n);
  --handshakes_;
  ++totals_.registrations_total;
  n.reader.allow(limits_.envelope_bytes);
  welcome w;
  if (wanted) w.tag = relay_proof(wire::as_bytes(secret_), n.random, f.random, f.name);
  say(n, w);
  events_.push_back({relay_event::kind::registered, n.name, n.host, relay_refusal::none});
  return true;
}

bool relay_switch::on_envelope(node& n, const envelope& f, ack_run& run) {
  if (f.number != n.next) {
    end(n, relay_refusal::violation,
        "envelope " + std::to_string(f.number) + " where " + std::to_string(n.next) + " was due");
    return false;
  }
  ++n.next;
  ++n.in;
  if (limits_.envelopes_per_second > 0) n.envelopes_left -= 1;
  const auto target = names_.find(f.target);
  if (target == names_.end()) {
    refuse(n, f.number, relay_refusal::unknown_target, run);
    return !n.over;
  }
  node& to = *target->second;
  const std::size_t size = head_size + 2 + n.name.size() + f.payload.size();
  if (to.out.size() + size > limits_.queue_bytes) {
    if (!std::exchange(to.overloaded, true))
      events_.push_back({relay_event::kind::overloaded, to.name, to.host, relay_refusal::none});
    refuse(n, f.number, relay_refusal::overloaded, run);
    return !n.over;
  }
  to.out.add(delivery{n.name, f.payload});
  touch(to);
  ++to.sent;
  ++totals_.envelopes_total;
  totals_.bytes_total += f.payload.size();
  if (run.count++ == 0) run.first = f.number;
  return true;
}

void relay_switch::refuse(node& n, std::uint64_t number, relay_refusal why, ack_run& run) {
  flush(n, run);
  count(why);
  say(n, nack{number, why});
}

void relay_switch::flush(node& n, ack_run& run) {
  if (run.count > 0) say(n, ack{run.first, run.count});
  run = {};
}

// What the relay itself says is bounded as well: who sends and never reads is closed.
void relay_switch::say(node& n, const frame& f) {
  if (n.over) return;
  if (n.out.size() > 2 * limits_.queue_bytes) {
    n.lost = true;
    return end(n, relay_refusal::stalled);
  }
  n.out.add(f);
  touch(n);
}

void relay_switch::end(node& n, relay_refusal why, std::string_view text) {
  if (n.over) return;
  if (why != relay_refusal::none) {
    count(why);
    // It may wait for more than it is given: the reason is worth a few bytes above the bound.
    if (!n.lost) n.out.add(goodbye{why, text});
  }
  n.over = true;
  if (n.has_name) {
    forget_name(n, why);
  } else {
    events_.push_back({relay_event::kind::rejected, {}, n.host, why});
  }
  touch(n);
}

void relay_switch::forget_name(node& n, relay_refusal why) {
  if (!std::exchange(n.has_name, false)) return;
  ++handshakes_;  // a connection without a name again, until it is closed
  names_.erase(n.name);
  events_.push_back({relay_event::kind::left, n.name, n.host, why});
}

void relay_switch::closed(id c, time_point) {
  const auto found = nodes_.find(c);
  if (found == nodes_.end()) return;
  node& n = *found->second;
  forget_name(n, relay_refusal::none);
  --handshakes_;
  if (const auto h = hosts_.find(n.host); h != hosts_.end() && --h->second == 0) hosts_.erase(h);
  nodes_.erase(found);
}

void relay_switch::wrote(id c, time_point now) {
  const auto found = nodes_.find(c);
  if (found == nodes_.end()) return;
  node& n = *found->second;
  n.out.wrote();
  n.moved = now;
  if (n.out.size() < limits_.queue_bytes / 2) n.overloaded = false;
  touch(n);
}

/// Token buckets that hold a second's worth.
void relay_switch::spend(node& n, std::size_t size, time_point now) {
  const double passed = seconds(now - std::exchange(n.filled, now));
  const auto fill = [passed](double& left, std::size_t rate) {
    if (rate > 0)
      left = std::min(left + passed * static_cast<double>(rate), static_cast<double>(rate));
  };
  fill(n.bytes_left, limits_.bytes_per_second);
  fill(n.envelopes_left, limits_.envelopes_per_second);
  if (limits_.bytes_per_second > 0) n.bytes_left -= static_cast<double>(size);
}

bool relay_switch::may_read(id c) const {
  const auto found = nodes_.find(c);
  return found != nodes_.end() && !found->second->over && found->second->bytes_left >= 0 &&
         found->second->envelopes_left >= 0;
}

void relay_switch::tick(time_point now) {
  for (auto& [c, owned] : nodes_) {
    node& n = *owned;
    const bool stuck = n.out.size() > 0 && now - n.moved > limits_.silent_after;
    if (n.over) {
      if (stuck && !std::exchange(n.lost, true)) touch(n);
      continue;
    }
    if (n.bytes_left < 0 || n.envelopes_left < 0) {
      if (!std::exchange(n.throttled, true)) {
        ++totals_.throttled_total;
        events_.push_back({relay_event::kind::throttled, n.name, n.host, relay_refusal::none});
      }
      spend(n, 0, now);
      n.heard = now;  // it is not listened to, so its silence means nothing
      if (may_read(c)) touch(n);
    } else {
      n.throttled = false;
    }
    if (stuck) {
      n.lost = true;
      end(n, relay_refusal::stalled);
    } else if (!n.has_name) {
      if (now - n.began > limits_.handshake)
        end(n, relay_refusal::handshake_late, "register sooner");
    } else if (now - n.heard > limits_.silent_after) {
      end(n, relay_refusal::silent, "nothing was heard");
    } else if (now - std::max(n.heard, n.asked) >= limits_.heartbeat) {
      n.asked = now;
      say(n, ping{n.next});
    }
  }
  if (const double passed = seconds(now - window_began_); passed >= 1) {
    totals_.envelopes_per_second =
        static_cast<double>(totals_.envelopes_total - window_envelopes_) / passed;
    totals_.bytes_per_second = static_cast<double>(totals_.bytes_total - window_bytes_) / passed;
    window_began_ = now;
    window_envelopes_ = totals_.envelopes_total;
    window_bytes_ = totals_.bytes_total;
  }
}

void relay_switch::drain() {
  draining_ = true;
  for (auto& [c, n] : nodes_) end(*n, relay_refusal::draining, "the relay is being stopped");
}

std::vector<bytes> relay_switch::take(id c, time_point now) {
  const auto found = nodes_.find(c);
  if (found == nodes_.end()) return {};
  auto batch = found->second->out.take();
  if (!batch.empty()) found->second->moved = now;
  return batch;
}

bool relay_switch::is_over(id c) const {
  const auto found = nodes_.find(c);
  return found != nodes_.end() && found->second->over && found->second->out.size() == 0;
}
bool relay_switch::is_lost(id c) const {
  const auto found = nodes_.find(c);
  return found != nodes_.end() && found->second->lost;
}

void relay_switch::touch(node& n) {
  if (!std::exchange(n.listed, true)) changed_.push_back(n.number);
}

std::vector<relay_switch::id> relay_switch::changed() {
  for (const id c : changed_)
    if (const auto found = nodes_.find(c); found != nodes_.end()) found->second->listed = false;
  return std::exchange(changed_, {});
}

std::vector<relay_event> relay_switch::events() { return std::exchange(events_, {}); }

relay_metrics relay_switch::metrics() const {
  relay_metrics m = totals_;
  m.connections = nodes_.size();
  m.registered = names_.size();
  for (const auto& [c, n] : nodes_) m.queued_bytes += n->out.size();
  return m;
}

std::vector<relay_peer> relay_switch::peers(std::size_t most, time_point now) const {
  std::vector<relay_peer> all;
  for (const auto& [name, n] : names_) {
    if (all.size() == most) break;
    all.push_back({name, n->host, now - n->began, n->out.size(), n->in, n->sent});
  }
  return all;
}

}  // namespace odeon::remote::relay_detail
