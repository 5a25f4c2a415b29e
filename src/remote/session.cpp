#include "remote/internal/session.hpp"

#include "remote/internal/session_halves.hpp"
#include <odeon/base/assert.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace odeon::remote::detail {

namespace {
std::unexpected<error> violation(std::string text) {
  return fail(errc::protocol_violation, std::move(text));
}
}  // namespace

bool feedback::empty() const noexcept {
  const auto none = [](const auto& a) {
    return std::ranges::all_of(a, [](auto n) { return n == 0; });
  };
  return none(credit) && none(grant) && !acknowledged && !acknowledge && !pong;
}

std::size_t output::pieces(std::array<const_bytes, 3>& into) const noexcept {
  std::size_t n = 0;
  for (const wire::buffer* b : {&first, &ordinary, &large})
    if (!b->empty()) into[n++] = b->view();
  return n;
}

session::session(session_options options)
    : shared_(std::make_unique<shared>(std::move(options))),
      read_(std::make_unique<read_half>(*shared_)),
      write_(std::make_unique<write_half>(*shared_)) {}
session::session(session&&) noexcept = default;
session& session::operator=(session&&) noexcept = default;
session::~session() = default;

session_state session::state() const noexcept { return shared_->state.load(); }

const peer_hello* session::peer() const noexcept {
  const auto& p = shared_->acquaintance.peer();
  return p ? &*p : nullptr;
}

void session::open_halves() {
  const handshake& h = shared_->acquaintance;
  const session_options& o = h.options();
  const bool dialer = o.side == role::dialer;
  const direction_keys& out = dialer ? h.keys().dialer : h.keys().acceptor;
  const direction_keys& in = dialer ? h.keys().acceptor : h.keys().dialer;
  const peer_hello& p = *h.peer();
  const std::size_t frame_bytes = std::max(o.limits.frame_bytes, frame_bytes_least);
  const std::size_t credit = std::max(o.limits.credit_bytes, credit_bytes_least);
  const std::size_t names = std::max(o.limits.names, names_least);
  read_->open.emplace(read_half::open_state{
      .frames = frame_reader(frame_check(o.protect, in), frame_bytes),
      .names = name_reader({names}),
      .chunks = chunk_receiver(std::max(o.limits.message_bytes, small_bytes_max)),
      .credit = credit,
      .allowed = {0, credit, credit}});
  write_->open.emplace(write_half::open_state{.frames = frame_writer(frame_check(o.protect, out)),
                                              .names = name_writer({std::min(p.names, names)}),
                                              .chunks = chunk_sender(p.message_bytes),
                                              .credit = {0, p.credit_bytes, p.credit_bytes},
                                              .credit_max = p.credit_bytes,
                                              .message_bytes = p.message_bytes,
                                              .codecs = p.codecs,
                                              .compress = o.compress && p.compress,
                                              .compress_above = o.compress_above});
  shared_->state.store(session_state::open);
}

void session::accept() {
  shared_->acquaintance.accept();
  open_halves();
}

void session::refuse(const error& why) {
  shared_->acquaintance.refuse(why);
  shared_->state.store(session_state::closed);
}

void session::attach(control_outbox* out, control_inbox* in) {
  const peer_hello* p = peer();
  ODEON_ASSERT(out == nullptr || (p != nullptr && p->stream == 0), "control is on stream 0");
  read_->inbox = in;
  write_->outbox = out;
  if (out != nullptr) out->rewind();
  if (in != nullptr && write_->open) write_->open->acknowledge = in->received();
}

std::span<std::byte> session::room() {
  read_half& r = *read_;
  if (r.filled == r.capacity) r.resize(2 * r.capacity);
  return {r.room.get() + r.filled, r.capacity - r.filled};
}

result<void> session::receive(std::size_t count, time_point now, session_handler& handler,
                              feedback& f) {
  read_half& r = *read_;
  auto& state = shared_->state;
  ODEON_ASSERT(count <= r.capacity - r.filled, "only what was given by room() is filled");
  r.filled += count;
  r.counters.bytes += count;
  std::size_t at = 0;
  const auto end = [&](error e) {
    state.store(session_state::closed);
    r.filled = 0;
    return std::unexpected<error>(std::move(e));
  };
  while (state.load() == session_state::handshake) {
    const auto taken = shared_->acquaintance.receive({r.room.get() + at, r.filled - at});
    if (!taken) return end(taken.error());
    if (*taken == 0) break;
    at += *taken;
    if (shared_->acquaintance.at() == handshake::step::deciding)
      state.store(session_state::deciding);
    if (shared_->acquaintance.at() == handshake::step::done) open_halves();
  }
  const bool opens = at != 0 && state.load() == session_state::open;  // the owner attaches first
  while (!opens && state.load() == session_state::open) {
    const const_bytes bytes(r.room.get() + at, r.filled - at);
    const auto size = r.open->frames.measure(bytes);
    if (!size) return end(size.error());
    if (*size == 0 || *size > bytes.size()) break;
    const auto opened = r.open->frames.open(bytes.first(*size));
    if (!opened) return end(opened.error());
    ++r.counters.frames;
    at += *size;
    if (auto ok = r.frame(*opened, now, handler, f); !ok) return end(std::move(ok).error());
  }
  if (state.load() == session_state::closed) at = r.filled;
  if (state.load() == session_state::deciding && r.filled > at)
    return end({errc::protocol_violation, "the dialer goes on before it was welcomed"});
  if (at != 0) std::memmove(r.room.get(), r.room.get() + at, r.filled - at);
  const bool was_full = r.filled == r.capacity;
  r.filled -= at;
  r.fit(count, was_full);
  return {};
}

const half_counters& session::received() const noexcept {
  read_half& r = *read_;
  if (r.open) r.counters.names_defined = r.open->names.defined();
  return r.counters;
}

result<bool> session::add(const user_message& m) {
  write_half& w = *write_;
  if (!w.open || w.open->last) return false;
  auto& o = *w.open;
  const std::size_t size = m.message.payload.size();
  if (std::max({m.to.path.size(), m.from.path.size(), m.message.manifest.size()}) > name_bytes_max)
    return fail(errc::limit_exceeded,
                "a path or manifest of more than " + std::to_string(name_bytes_max) + " bytes");
  if (size > o.message_bytes)
    return fail(errc::limit_exceeded,
                "a message of " + std::to_string(size) + " bytes; the peer takes at most " +
                    std::to_string(o.message_bytes) + " (remote.message_bytes)");
  const auto form = static_cast<unsigned>(m.message.form);
  if (!m.message.manifest.empty() && (form > 31 || (o.codecs >> form & 1U) == 0))
    return fail(errc::no_codec, "the peer does not read the format " +
                                    std::string(wire::to_string(m.message.form)));
  if (size > small_bytes_max || (!o.chunks.empty() && o.chunks.follows(m))) {
    o.chunks.add(m);
    return true;
  }
  if (item_bound(m) > o.credit[index_of(lane::ordinary)]) return false;
  w.append(m);
  return true;
}

void session::heartbeat(time_point now) {
  if (!write_->open) return;
  auto& o = *write_->open;
  o.ping = static_cast<std::uint64_t>(now.time_since_epoch().count());
  if (o.ordinary.empty() && o.ordinary.capacity() > write_half::kept_bytes_max) o.ordinary = {};
}

void session::goodbye(goodbye_reason why, std::string_view text) {
  if (write_->open && !write_->open->last)
    write_->open->last.emplace(why, text.substr(0, refusal_text_max));
}

result<void> session::apply(feedback& f) {
  const feedback now = std::exchange(f, {});
  if (!write_->open) return {};
  auto& o = *write_->open;
  for (std::size_t l = 0; l < lane_count; ++l) {
    if (now.credit[l] > o.credit_max - o.credit[l])
      return violation("the peer gives credit for more than was sent");
    o.credit[l] += now.credit[l];
    o.grant[l] += now.grant[l];
  }
  if (now.acknowledge) o.acknowledge = now.acknowledge;
  if (now.pong) o.pong = now.pong;
  if (now.acknowledged && write_->outbox != nullptr)
    return write_->outbox->acknowledge(*now.acknowledged);
  return {};
}

bool session::has_output() const noexcept {
  if (!shared_->acquaintance.out().empty()) return true;
  if (!write_->open || write_->open->gone) return false;
  const auto& o = *write_->open;
  return o.begun || !o.ordinary.empty() || o.control_due() || o.last.has_value() ||
         (write_->outbox != nullptr && write_->outbox->ready()) ||
         o.chunks.ready(o.credit[index_of(lane::large)]);
}

void session::gather(output& out) {
  ODEON_ASSERT(out.empty(), "what the last call gave has been written");
  write_half& w = *write_;
  if (wire::buffer& hello = shared_->acquaintance.out(); !hello.empty()) out.first.swap(hello);
  out.handshake = out.first.size();
  if (w.open && !w.open->gone) {
    w.control(out.first);
    w.ordinary(out.ordinary);
    if (w.open->last)
      w.farewell(out.large);
    else
      w.large(out.large);
    w.counters.names_defined = w.open->names.defined();
    w.open->names.given_out();
  }
  w.counters.bytes += out.size();
}

void session::seal(output& out) {
  write_half& w = *write_;
  if (!w.open) return;
  frame_writer& frames = w.open->frames;
  w.counters.frames += frames.seal(out.first, out.handshake);
  w.counters.frames += frames.seal(out.ordinary);
  w.counters.frames += frames.seal(out.large);
}

void session::take(output& out) {
  gather(out);
  seal(out);
}

frame_filler& session::frames() noexcept { return *write_; }

std::size_t session::held_bytes() const noexcept {
  return write_->open ? write_->open->chunks.held_bytes() : 0;
}

void session::written() noexcept {
  if (!write_->open) return;
  write_->open->names.sent();
  write_->open->chunks.sent();
}

void session::drain(const output& out, std::size_t taken,
                    const std::function<void(const user_message&)>& unsent) {
  if (!write_->open) return;
  const auto part = [&](const wire::buffer& b) {
    const std::size_t n = std::min(taken, b.size());
    taken -= n;
    return n;
  };
  part(out.first);
  const std::size_t of_ordinary = part(out.ordinary);
  write_->drain(out.ordinary.view(), of_ordinary, unsent);
  auto& o = *write_->open;
  o.chunks.drain(out.large.view(), part(out.large), o.frames.check_size(), unsent);
}

const half_counters& session::sent() const noexcept { return write_->counters; }

}  // namespace odeon::remote::detail
