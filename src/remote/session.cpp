// Two halves that know nothing of each other: each is used by one thread at a time, without a lock.
// They are made when the handshake is done. `state` alone is shared: an atomic that the read half
// sets (open, closed) and both read; nothing is published by it, since the handshake runs before
// there is a second thread, and the owner's lock hands `feedback` over.

#include "remote/internal/session.hpp"

#include "remote/internal/chunks.hpp"
#include "remote/internal/frame.hpp"
#include "remote/internal/handshake.hpp"
#include "remote/internal/items.hpp"
#include "remote/internal/names.hpp"
#include <odeon/base/assert.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

namespace odeon::remote::detail {

namespace {

// Items of the control lane.
constexpr std::uint8_t item_record = 1;
constexpr std::uint8_t item_part = 2;
constexpr std::uint8_t item_acknowledge = 3;
constexpr std::uint8_t item_ping = 4;
constexpr std::uint8_t item_pong = 5;
constexpr std::uint8_t item_credit = 6;
constexpr std::uint8_t item_goodbye = 7;

constexpr std::size_t room_least = std::size_t{4} << 10U;
constexpr std::size_t room_usual = std::size_t{256} << 10U;
constexpr unsigned small_reads_max = 64;  // in a row, and the room becomes smaller again
constexpr duration round_trip_max = std::chrono::minutes(10);  // more is no answer to a heartbeat

std::unexpected<error> violation(std::string text) {
  return fail(errc::protocol_violation, std::move(text));
}

constexpr std::size_t index_of(lane l) noexcept { return static_cast<std::size_t>(l); }

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

struct session::shared {
  explicit shared(session_options o) : acquaintance(std::move(o)) {}
  handshake acquaintance;
  std::atomic<session_state> state{session_state::handshake};
};

// --- read half -----------------------------------------------------------------------------------

struct session::read_half {
  // Bytes that have come and were not used yet stand at the beginning of `room`.
  std::unique_ptr<std::byte[]> room = std::make_unique_for_overwrite<std::byte[]>(room_least);
  std::size_t capacity = room_least;
  std::size_t filled = 0;
  std::size_t bound = hello_bytes_max + room_least;  // of `capacity`
  unsigned small_reads = 0;
  half_counters counters;
  packer pack;
  control_inbox* inbox = nullptr;
  struct open_state {
    frame_reader frames;
    name_reader names;
    chunk_receiver chunks;
    std::size_t credit;                               // of one lane, when all is used up
    std::array<std::uint64_t, lane_count> allowed{};  // bytes that may still come
    std::array<std::uint64_t, lane_count> used{};     // and those to be granted anew
  };
  std::optional<open_state> open;

  void resize(std::size_t size) {
    auto more = std::make_unique_for_overwrite<std::byte[]>(size);
    std::memcpy(more.get(), room.get(), filled);
    room = std::move(more);
    capacity = size;
  }
  /// The room follows what comes: twice as much when a read has filled it, less when many did not
  /// use an eighth. (A frame that is larger than the room makes it grow in `room()`.)
  void fit(std::size_t count, bool full) {
    small_reads = count > capacity / 8 ? 0 : small_reads + 1;
    if (full && capacity < std::min(bound, room_usual)) resize(2 * capacity);
    if (small_reads < small_reads_max || capacity == room_least) return;
    small_reads = 0;
    if (filled < capacity / 4) resize(std::max(room_least, capacity / 2));
  }

  result<void> frame(const frame_reader::opened& f, time_point now, session_handler& handler,
                     feedback& out, std::atomic<session_state>& state) {
    switch (f.lane) {
      case lane::control: return control(cursor(f.items), now, handler, out, state);
      case lane::ordinary: return ordinary(cursor(f.items), handler, out);
      case lane::large: return large(cursor(f.items), handler, out);
    }
    return violation("a frame of no lane");
  }

  /// The peer has used so much of its credit.
  bool charge(lane l, std::size_t bytes, feedback& out) noexcept {
    open_state& o = *open;
    const std::size_t i = index_of(l);
    if (o.allowed[i] < bytes) return false;
    o.allowed[i] -= bytes;
    o.used[i] += bytes;
    if (o.used[i] >= o.credit / 4) {
      out.grant[i] += o.used[i];
      o.allowed[i] += std::exchange(o.used[i], 0);
    }
    return true;
  }
  static std::unexpected<error> overrun() {
    return violation("the peer has sent more than its credit (remote.credit_bytes)");
  }

  result<void> ordinary(cursor in, session_handler& handler, feedback& out) {
    open_state& o = *open;
    while (!in.done()) {
      const std::byte* begin = in.at();
      user_message m;
      const payload_sizes sizes = get_head(in, m, o.names);
      m.message.payload = in.bytes(sizes.wire_size);
      if (in.bad() || std::max(sizes.wire_size, sizes.expanded) > small_bytes_max)
        return violation("a message is malformed");
      if (!charge(lane::ordinary, static_cast<std::size_t>(in.at() - begin), out)) return overrun();
      if (sizes.expanded != 0) {
        auto whole = pack.expand(m.message.payload, sizes.expanded);
        if (!whole) return std::unexpected(std::move(whole).error());
        counters.compressed_to += sizes.wire_size;
        counters.compressed_from += sizes.expanded;
        m.message.payload = *whole;
      }
      ++counters.messages;
      handler.on_message(m);
      o.names.settle();
    }
    return in.bad() ? violation("a message is malformed") : result<void>();
  }

  result<void> large(cursor in, session_handler& handler, feedback& out) {
    open_state& o = *open;
    while (!in.done()) {
      const std::byte* begin = in.at();
      user_message m;
      const auto whole = o.chunks.read(in, m, o.names, pack);
      if (!whole) return std::unexpected(whole.error());
      if (!charge(lane::large, static_cast<std::size_t>(in.at() - begin), out)) return overrun();
      if (*whole) {
        ++counters.messages;
        handler.on_message(m);
      }
      o.chunks.settle();
      o.names.settle();
    }
    return {};
  }

  result<void> control(cursor in, time_point now, session_handler& handler, feedback& out,
                       std::atomic<session_state>& state) {
    while (!in.done()) {
      const auto what = in.word<std::uint8_t>();
      switch (what) {
        case item_record:
        case item_part:
          if (auto taken = record(in, what == item_record, handler, out); !taken) return taken;
          break;
        case item_acknowledge:
          // Later ones say more.
          out.acknowledged = in.varint();
          if (inbox == nullptr && !in.bad()) return no_control();
          break;
        case item_ping: out.pong = in.word<std::uint64_t>(); break;
        case item_pong: {
          const std::uint64_t trip =
              static_cast<std::uint64_t>(now.time_since_epoch().count()) - in.word<std::uint64_t>();
          if (trip < static_cast<std::uint64_t>(round_trip_max.count()))
            out.round_trip = duration(static_cast<duration::rep>(trip));
          break;
        }
        case item_credit: {
          const auto on = in.word<std::uint8_t>();
          const std::uint64_t more = in.varint();
          if (on == index_of(lane::control) || on >= lane_count)
            return violation("credit for a lane that has none");
          if (out.credit[on] + more < more) return violation("credit without end");
          out.credit[on] += more;
          break;
        }
        case item_goodbye: {
          const auto why = in.word<std::uint8_t>();
          const std::string text = made_printable(in.text(in.varint()));
          if (in.bad()) break;
          if (why < static_cast<std::uint8_t>(goodbye_reason::stopping) ||
              why > static_cast<std::uint8_t>(goodbye_reason::overloaded))
            return violation("a goodbye for a reason that this version does not know");
          state.store(session_state::closed);
          handler.on_goodbye(static_cast<goodbye_reason>(why), text);
          return {};
        }
        default: return violation("a control item that this version does not know");
      }
    }
    return in.bad() ? violation("a control item is malformed") : result<void>();
  }
  static std::unexpected<error> no_control() {
    return violation("control records on a connection that has none");
  }
  result<void> record(cursor& in, bool last, session_handler& handler, feedback& out) {
    const std::uint64_t number = in.varint();
    const auto part = in.bytes(in.varint());
    if (in.bad()) return violation("a control record is malformed");
    if (inbox == nullptr) return no_control();
    auto whole = inbox->take(number, last, part);
    if (!whole) return std::unexpected(std::move(whole).error());
    out.acknowledge = inbox->received();
    if (!*whole) return {};
    ++counters.records;
    handler.on_control(**whole);
    return {};
  }
};

// --- write half ----------------------------------------------------------------------------------

struct session::write_half {
  half_counters counters;
  packer pack;
  control_outbox* outbox = nullptr;
  struct open_state {
    frame_writer frames;
    name_writer names;
    chunk_sender chunks;
    std::array<std::uint64_t, lane_count> credit{};  // bytes that may still be sent
    std::uint64_t credit_max;                        // the peer gives no more at a time
    std::size_t message_bytes;
    std::uint32_t codecs;
    bool compress;
    std::size_t compress_above;
    wire::buffer ordinary;             // frames that are not given out yet
    std::optional<std::size_t> begun;  // where its last one begins, when that is not closed
    // What the next frame of the control lane says, beside records:
    std::optional<std::uint64_t> acknowledge, pong, ping;
    std::array<std::uint64_t, lane_count> grant{};
    std::optional<std::pair<goodbye_reason, std::string>> last;
    bool gone = false;  // the goodbye was given out
    bool pieces_due() const noexcept {
      return acknowledge || pong || ping ||
             std::ranges::any_of(grant, [](auto n) { return n != 0; });
    }
  };
  std::optional<open_state> open;

  void close_ordinary() {
    open_state& o = *open;
    if (!o.begun) return;
    o.frames.close(o.ordinary, *o.begun);
    o.begun.reset();
  }

  /// A small message, for which there is credit.
  void append(const user_message& m) {
    open_state& o = *open;
    if (o.begun && o.ordinary.size() - *o.begun >= frame_target) close_ordinary();
    if (!o.begun) o.begun = o.frames.begin(o.ordinary, lane::ordinary);
    std::span<const std::byte> payload = m.message.payload;
    payload_sizes sizes{payload.size(), 0};
    if (o.compress && payload.size() >= o.compress_above) {
      if (const auto packed = pack.pack(payload); !packed.empty()) {
        counters.compressed_from += payload.size();
        counters.compressed_to += packed.size();
        sizes = {packed.size(), payload.size()};
        payload = packed;
      }
    }
    const std::size_t before = o.ordinary.size();
    std::byte* const first = o.ordinary.extend(item_bound(m));
    const std::byte* const end = put_bytes(put_head(first, m, sizes, o.names), payload);
    const auto size = static_cast<std::size_t>(end - first);
    o.ordinary.truncate(before + size);
    o.credit[index_of(lane::ordinary)] -= size;
    ++counters.messages;
  }

  void control(wire::buffer& out) {
    open_state& o = *open;
    if (!o.pieces_due() && (outbox == nullptr || !outbox->ready())) return;
    const std::size_t from = out.size();
    std::size_t begun = o.frames.begin(out, lane::control);
    const auto number = [&](std::uint8_t what, std::optional<std::uint64_t>& n, bool word) {
      if (!n) return;
      append_word(out, what);
      word ? append_word(out, *n) : append_varint(out, *n);
      n.reset();
    };
    number(item_pong, o.pong, true);
    number(item_ping, o.ping, true);
    number(item_acknowledge, o.acknowledge, false);
    for (std::uint8_t l = 0; l < lane_count; ++l) {
      if (o.grant[l] == 0) continue;
      append_word(out, item_credit);
      append_word(out, l);
      append_varint(out, std::exchange(o.grant[l], 0));
    }
    while (outbox != nullptr) {
      const auto p = outbox->next();
      if (!p) break;
      if (out.size() - begun >= frame_target) {
        o.frames.close(out, begun);
        begun = o.frames.begin(out, lane::control);
      }
      append_word(out, p->last ? item_record : item_part);
      append_varint(out, p->number);
      append_varint(out, p->bytes.size());
      out.append(p->bytes);
      counters.records += p->last ? 1 : 0;
    }
    o.frames.close(out, begun);
    counters.frames += o.frames.seal(out, from);
  }

  void large(wire::buffer& out) {
    open_state& o = *open;
    std::uint64_t& credit = o.credit[index_of(lane::large)];
    std::size_t begun = 0;
    for (bool first = true; out.size() < large_turn && o.chunks.ready(credit); first = false) {
      if (!first && out.size() - begun >= frame_target) {
        o.frames.close(out, begun);
        first = true;
      }
      if (first) begun = o.frames.begin(out, lane::large);
      const std::size_t before = out.size();
      if (o.chunks.write(out, o.names, o.compress ? &pack : nullptr, o.compress_above))
        ++counters.messages;
      credit -= out.size() - before;
    }
    if (out.empty()) return;
    o.frames.close(out, begun);
    counters.frames += o.frames.seal(out);
  }

  void farewell(wire::buffer& out) {
    open_state& o = *open;
    const std::size_t begun = o.frames.begin(out, lane::control);
    append_word(out, item_goodbye);
    append_word(out, static_cast<std::uint8_t>(o.last->first));
    append_varint(out, o.last->second.size());
    out.append(o.last->second);
    o.frames.close(out, begun);
    counters.frames += o.frames.seal(out, begun);
    o.gone = true;
  }
};

// --- the session ---------------------------------------------------------------------------------

session::session(session_options options)
    : shared_(std::make_unique<shared>(std::move(options))),
      read_(std::make_unique<read_half>()),
      write_(std::make_unique<write_half>()) {}
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
  read_->bound = std::max(frame_bytes, room_usual) + room_least;
  read_->open.emplace(frame_reader(frame_check(o.protect, in), frame_bytes),
                      name_reader({std::max(o.limits.names, names_least)}),
                      chunk_receiver(std::max(o.limits.message_bytes, small_bytes_max)), credit);
  read_->open->allowed = {0, credit, credit};
  write_->open.emplace(frame_writer(frame_check(o.protect, out)),
                       name_writer({std::min(p.names, std::max(o.limits.names, names_least))}),
                       chunk_sender(p.message_bytes));
  auto& w = *write_->open;
  w.credit = {0, p.credit_bytes, p.credit_bytes};
  w.credit_max = p.credit_bytes;
  w.message_bytes = p.message_bytes;
  w.codecs = p.codecs;
  w.compress = o.compress && p.compress;
  w.compress_above = o.compress_above;
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
    if (auto ok = r.frame(*opened, now, handler, f, state); !ok) return end(std::move(ok).error());
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
  if (write_->open) write_->open->ping = static_cast<std::uint64_t>(now.time_since_epoch().count());
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
  return o.begun || !o.ordinary.empty() || o.pieces_due() || o.last.has_value() ||
         (write_->outbox != nullptr && write_->outbox->ready()) ||
         o.chunks.ready(o.credit[index_of(lane::large)]);
}

void session::take(output& out) {
  ODEON_ASSERT(out.empty(), "what the last call gave has been written");
  write_half& w = *write_;
  if (wire::buffer& hello = shared_->acquaintance.out(); !hello.empty()) out.first.swap(hello);
  if (w.open && !w.open->gone) {
    w.control(out.first);
    w.close_ordinary();
    if (!w.open->ordinary.empty()) {
      w.counters.frames += w.open->frames.seal(w.open->ordinary);
      out.ordinary.swap(w.open->ordinary);
    }
    if (w.open->last)
      w.farewell(out.large);
    else
      w.large(out.large);
    w.counters.names_defined = w.open->names.defined();
  }
  w.counters.bytes += out.size();
}

std::size_t session::held_bytes() const noexcept {
  return write_->open ? write_->open->chunks.held_bytes() : 0;
}

void session::drain(const std::function<void(const user_message&)>& unsent) {
  if (write_->open) write_->open->chunks.drain(unsent);
}

const half_counters& session::sent() const noexcept { return write_->counters; }

}  // namespace odeon::remote::detail
