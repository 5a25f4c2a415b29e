// The user's side of channels: listening, connecting, reading and writing.

#include "internal/relay_mux.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace odeon::remote::relay_detail {

namespace {

constexpr std::uint16_t first_listened = 10'000;  // of the ports that are chosen
constexpr std::uint16_t first_opened = 49'152;
constexpr std::size_t chunk_max = 32 * 1024;      // of data in one envelope
constexpr std::size_t unsettled_max = 256;        // envelopes of one channel
constexpr std::size_t data_head = 1 + 8 + 8 + 8;  // word, session, id, offset
constexpr duration linger = std::chrono::seconds(30);

std::unexpected<error> gave_up() {
  return fail(errc::cancelled, "this side gave the connection up");
}
std::unexpected<error> misused(const char* how) { return fail(errc::invalid_argument, how); }
std::unexpected<error> broken(const channel& c) {
  return fail(errc::io_failed, "the connection to " + c.peer_address +
                                   " through the relay broke: " +
                                   (c.why.empty() ? "it was reset by the peer" : c.why));
}

}  // namespace

bool is_lasting(errc code) noexcept {
  return code == errc::authentication_failed || code == errc::incompatible_peer ||
         code == errc::name_taken || code == errc::invalid_argument ||
         code == errc::bad_certificate || code == errc::expired_certificate;
}

relay_mux::relay_mux(const relay_transport_options& options,
                     std::function<void(std::span<std::byte>)> random, wrap_fn wrap)
    : link(options, random, *this),
      options_(options),
      random_(std::move(random)),
      wrap_(std::move(wrap)) {
  std::array<std::byte, 8> seed = {};
  random_(seed);
  next_id_ = field_reader(seed).number<std::uint64_t>();
}

std::string relay_mux::here(std::uint16_t port) const {
  return odeon::to_string(host_and_port{options_.name, port});
}

channel_ptr relay_mux::make(std::string peer, bool opener, std::uint64_t id, std::uint16_t near,
                            std::uint16_t there) {
  auto c = std::make_shared<channel>();
  c->peer = std::move(peer);
  c->opener = opener;
  c->id = id;
  c->handle = next_handle_++;
  c->local_address = here(near);
  c->peer_address = odeon::to_string(host_and_port{c->peer, there});
  channels_.emplace(c->handle, c);
  by_peer_[c->peer].emplace(end_key{id, opener}, c.get());
  return c;
}

void relay_mux::forget(channel& c) {
  const auto found = channels_.find(c.handle);
  if (found == channels_.end()) return;
  c.at = channel::stage::gone;
  if (const auto p = by_peer_.find(c.peer); p != by_peer_.end()) {
    p->second.erase({c.id, c.opener});
    if (p->second.empty()) by_peer_.erase(p);
  }
  const channel_ptr last = std::move(found->second);  // until this returns
  channels_.erase(found);
}

result<port_ptr> relay_mux::listen(std::string_view address, std::size_t backlog) {
  auto at = parse_address(address);
  if (!at) return std::unexpected(std::move(at.error()));
  if (at->host != options_.name && at->host != "*")
    return fail(errc::invalid_argument, "cannot listen on " + std::string(address) +
                                            ": at the relay this node is '" + options_.name + "'");
  if (at->port == 0) {
    at->port = first_listened;
    while (ports_.contains(at->port))
      if (++at->port == 0) return fail(errc::limit_exceeded, "no port is free at the relay");
  } else if (ports_.contains(at->port)) {
    return fail(errc::address_in_use,
                "cannot listen on " + here(at->port) + ": the port is in use");
  }
  auto p = std::make_shared<port_state>();
  p->port = at->port;
  p->backlog = std::max<std::size_t>(1, backlog);
  ports_.emplace(p->port, p);
  return p;
}

void relay_mux::accept(port_state& p, listener::accept_done done) {
  using accepted = result<std::unique_ptr<connection>>;
  if (p.closed) return complete(done, accepted(fail(errc::cancelled, "the listener was closed")));
  if (p.accepting) return complete(done, accepted(misused("an accept beside another")));
  if (p.waiting.empty()) {
    p.accepting = std::move(done);
    return;
  }
  complete(done, accepted(wrap_(std::move(p.waiting.front()))));
  p.waiting.pop_front();
}

void relay_mux::close(port_state& p) {
  using accepted = result<std::unique_ptr<connection>>;
  if (std::exchange(p.closed, true)) return;
  ports_.erase(p.port);
  complete(p.accepting, accepted(fail(errc::cancelled, "the listener was closed")));
  for (const auto& c : std::exchange(p.waiting, {})) abort(*c);
}

void relay_mux::connect(std::string_view address, duration limit, transport::connect_done done,
                        time_point now) {
  using connected = result<std::unique_ptr<connection>>;
  const auto at = parse_address(address);
  const auto no = [&](error why) { complete(done, connected(std::unexpected(std::move(why)))); };
  if (!at) return no(at.error());
  if (!is_relay_name(at->host))
    return no(
        {errc::invalid_argument,
         "'" + at->host + "' is no name at a relay: 1 to 128 letters, digits, '.', '_', '-'"});
  if (!link.is_ready() && is_lasting(link.why().code())) return no(link.why());
  if (channels_.size() >= options_.limits.connections || !known(at->host))
    return no({errc::limit_exceeded, "cannot connect to " + std::string(address) + ": there are " +
                                         std::to_string(channels_.size()) +
                                         " connections through the relay already"});
  const std::uint16_t from = next_port_ < first_opened ? first_opened : next_port_;
  next_port_ = static_cast<std::uint16_t>(from + 1);
  const channel_ptr c = make(at->host, true, next_id_++, from, at->port);
  c->to_port = at->port;
  c->from_port = from;
  c->connecting = std::move(done);
  c->until = limit < time_point::max() - now ? now + limit : time_point::max();
  if (link.is_ready()) ask(*c, now);
}

void relay_mux::refuse_connect(channel& c, error why) {
  complete(c.connecting, result<std::unique_ptr<connection>>(std::unexpected(std::move(why))));
  forget(c);
}

void relay_mux::read(channel& c, std::span<std::byte> into, connection::read_done done) {
  if (c.aborted) return complete(done, result<std::size_t>(gave_up()));
  if (c.reading || into.empty())
    return complete(done, result<std::size_t>(misused("a read without room, or beside one")));
  c.into = into;
  c.reading = std::move(done);
  give(c);
}

/// From what is there to whoever reads.
void relay_mux::give(channel& c) {
  if (!c.reading) return;
  if (c.ready_bytes > 0) {
    std::size_t n = 0;
    while (n < c.into.size() && !c.ready.empty()) {
      const const_bytes first = const_bytes(c.ready.front()).subspan(c.ready_at);
      const std::size_t some = std::min(first.size(), c.into.size() - n);
      std::copy_n(first.begin(), some, c.into.begin() + std::ptrdiff_t(n));
      n += some;
      c.ready_at += some;
      if (some == first.size()) {
        c.ready.pop_front();
        c.ready_at = 0;
      }
    }
    c.ready_bytes -= n;
    complete(c.reading, result<std::size_t>(n));
    const std::uint64_t may = c.got - c.ready_bytes + options_.limits.window_bytes;
    if (!c.end_at && c.at == channel::stage::open &&
        may - c.granted >= options_.limits.window_bytes / 2) {
      c.granted = may;
      say(c, word::grant, may);
    }
  } else if (c.in_broken) {
    complete(c.reading, result<std::size_t>(broken(c)));
  } else if (c.end_at == c.got) {
    c.end_read = true;
    complete(c.reading, result<std::size_t>(0));
  }
}

void relay_mux::write(channel& c, std::span<const const_bytes> pieces,
                      connection::write_done done) {
  if (c.aborted) return complete(done, result<void>(gave_up()));
  if (c.writing || c.ended || pieces.size() > write_pieces_max)
    return complete(done, result<void>(misused("a write beside another, after the end, or of too "
                                               "many pieces")));
  if (c.out_broken) return complete(done, result<void>(broken(c)));
  c.from.assign(pieces.begin(), pieces.end());
  c.piece = c.offset = 0;
  c.writing = std::move(done);
  list(c);
}

void relay_mux::end_writing(channel& c, connection::write_done done) {
  if (c.aborted) return complete(done, result<void>(gave_up()));
  if (c.writing || c.ended)
    return complete(done, result<void>(misused("the end of writing beside a write, or twice")));
  if (c.out_broken) return complete(done, result<void>(broken(c)));
  c.ended = c.end_said = true;
  say(c, word::end, c.sent);
  complete(done, result<void>());
}

void relay_mux::abort(channel& c) {
  if (std::exchange(c.aborted, true)) return;
  c.from.clear();
  c.ready.clear();
  c.ready_bytes = c.ready_at = 0;
  complete(c.reading, result<std::size_t>(gave_up()));
  complete(c.writing, result<void>(gave_up()));
  if (c.at == channel::stage::gone) return;
  say(c, word::abort);
  forget(c);
}

void relay_mux::let_go(channel& c, time_point now) {
  c.let_go = true;
  const bool in_order = !c.writing && (c.ended || c.end_read);
  if (c.aborted || c.at != channel::stage::open || !in_order) return abort(c);
  if (!std::exchange(c.end_said, true)) say(c, word::end, c.sent);
  complete(c.reading, result<std::size_t>(gave_up()));
  c.ready.clear();
  c.early.clear();
  c.ready_bytes = c.ready_at = c.early_bytes = 0;
  c.in_broken = true;
  c.lingers_until = now + linger;
  if (!c.end_at) say(c, word::stop);
}

void relay_mux::list(channel& c) {
  if (const auto found = channels_.find(c.handle);
      found != channels_.end() && !std::exchange(c.listed, true))
    writable_.push_back(found->second);
}

/// One envelope a turn, so that a long write holds up no other.
void relay_mux::pump_one(channel& c, time_point now) {
  if (c.at != channel::stage::open || !c.writing || c.out_broken) return;
  const auto skip = [&c] {
    while (c.piece < c.from.size() && c.offset == c.from[c.piece].size()) {
      ++c.piece;
      c.offset = 0;
    }
    return c.piece == c.from.size();
  };
  if (!skip()) {
    if (c.retried > 0 || c.unsettled >= unsettled_max || c.sent >= c.limit) return;
    const std::size_t most = std::min({chunk_max, link.payload_max(c.peer) - data_head,
                                       static_cast<std::size_t>(std::min<std::uint64_t>(
                                           c.limit - c.sent, std::numeric_limits<int>::max()))});
    bytes b = head(word::data, c.opener, c.id);
    put(b, c.sent);
    std::size_t room = most;
    while (room > 0 && !skip()) {
      const const_bytes rest = c.from[c.piece].subspan(c.offset);
      const std::size_t n = std::min(room, rest.size());
      put(b, rest.first(n));
      c.offset += n;
      room -= n;
    }
    c.sent += most - room;
    ++c.unsettled;
    if (route* r = known(c.peer)) ++r->seen.sent;
    link.send(c.peer, std::move(b), c.handle, now);
    if (!skip()) return list(c);
  }
  c.from.clear();
  complete(c.writing, result<void>());
}

void relay_mux::pump(time_point now) {
  now_ = now;
  while (!writable_.empty() && link.is_ready() && link.out.size() < options_.limits.queue_bytes) {
    const channel_ptr c = std::move(writable_.front());
    writable_.pop_front();
    c->listed = false;
    pump_one(*c, now);
  }
  if (!link.is_ready()) {
    for (const auto& c : writable_) c->listed = false;
    writable_.clear();
  }
}

void relay_mux::cancel_all() {
  using connected = result<std::unique_ptr<connection>>;
  for (auto& [handle, c] : channels_) {
    c->aborted = true;
    complete(c->reading, result<std::size_t>(gave_up()));
    complete(c->writing, result<void>(gave_up()));
    complete(c->connecting, connected(gave_up()));
  }
  for (auto& [number, p] : ports_) {
    p->closed = true;
    complete(p->accepting, connected(fail(errc::cancelled, "the listener was closed")));
    p->waiting.clear();
  }
  channels_.clear();
  by_peer_.clear();
  ports_.clear();
  writable_.clear();
}

// -- what is said ---------------------------------------------------------------------------------

bytes relay_mux::head(word w, bool opener, std::uint64_t id) const {
  bytes b;
  put<std::uint8_t>(
      b, static_cast<std::uint8_t>(static_cast<std::uint8_t>(w) | (opener ? by_opener : 0)));
  put(b, session_);
  put(b, id);
  return b;
}

void relay_mux::say(std::string_view target, std::uint64_t tag, bytes b) {
  if (!link.is_ready()) return;
  // What others make this side say is bounded as what its users do.
  if (tag == 0 && link.out.size() > options_.limits.queue_bytes) return;
  if (route* r = known(target)) ++r->seen.sent;
  link.send(target, std::move(b), tag, now_);
}
void relay_mux::say(channel& c, word w) {
  if (!link.is_ready()) return;
  ++c.unsettled;
  say(c.peer, c.handle, head(w, c.opener, c.id));
}
void relay_mux::ask(channel& c, time_point now) {
  now_ = now;
  c.asked = true;
  c.granted = options_.limits.window_bytes;
  bytes b = head(word::open, true, c.id);
  put(b, c.to_port);
  put(b, c.from_port);
  put(b, c.granted);
  ++c.unsettled;
  say(c.peer, c.handle, std::move(b));
}

/// The peer does not read any more.
void relay_mux::break_out(channel& c) {
  if (std::exchange(c.out_broken, true)) return;
  c.from.clear();
  complete(c.writing, result<void>(broken(c)));
  if (!std::exchange(c.end_said, true)) say(c, word::end, c.sent);
}

}  // namespace odeon::remote::relay_detail
