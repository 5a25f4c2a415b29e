#include "remote/internal/session_halves.hpp"

#include <algorithm>
#include <cstring>

namespace odeon::remote::detail {

namespace {

constexpr unsigned small_reads_max = 64;  // in a row, and the room becomes smaller again
constexpr duration round_trip_max = std::chrono::minutes(10);  // more is no answer to a heartbeat

std::unexpected<error> violation(std::string text) {
  return fail(errc::protocol_violation, std::move(text));
}
std::unexpected<error> malformed() { return violation("a message is malformed"); }
std::unexpected<error> overrun() {
  return violation("the peer has sent more than its credit (remote.credit_bytes)");
}
std::unexpected<error> no_control() {
  return violation("control records on a connection that has none");
}

}  // namespace

void session::read_half::resize(std::size_t size) {
  auto more = std::make_unique_for_overwrite<std::byte[]>(size);
  std::memcpy(more.get(), room.get(), filled);
  room = std::move(more);
  capacity = size;
}

// The room follows what comes: twice as much when a read has filled it, less when many did not use
// an eighth. (A frame that is larger than the room makes it grow in `room()`.)
void session::read_half::fit(std::size_t count, bool full) {
  small_reads = count > capacity / 8 ? 0 : small_reads + 1;
  if (full && open && capacity < room_usual) resize(2 * capacity);
  if (small_reads < small_reads_max || capacity == room_least) return;
  small_reads = 0;
  if (filled < capacity / 4) resize(std::max(room_least, capacity / 2));
}

result<void> session::read_half::frame(const frame_reader::opened& f, time_point now,
                                       session_handler& handler, feedback& out) {
  switch (f.lane) {
    case lane::control: return control(cursor(f.items), now, handler, out);
    case lane::ordinary: return ordinary(cursor(f.items), handler, out);
    case lane::large: return large(cursor(f.items), handler, out);
  }
  return violation("a frame of no lane");
}

/// The peer has used so much of its credit. False: it had less.
bool session::read_half::charge(lane l, std::size_t bytes, feedback& out) noexcept {
  open_state& o = *open;
  const std::size_t i = index_of(l);
  if (o.allowed[i] < bytes) [[unlikely]] {
    o.allowed[i] += all.told[i].exchange(0);
    if (o.allowed[i] < bytes) return false;
  }
  o.allowed[i] -= bytes;
  o.used[i] += bytes;
  if (o.used[i] >= o.credit / 4) out.grant[i] += std::exchange(o.used[i], 0);
  return true;
}

result<void> session::read_half::ordinary(cursor in, session_handler& handler, feedback& out) {
  open_state& o = *open;
  while (!in.done()) {
    const std::byte* begin = in.at();
    user_message m;
    const payload_sizes sizes = get_head(in, m, o.names);
    m.message.payload = in.bytes(sizes.wire_size);
    if (in.bad() || std::max(sizes.wire_size, sizes.expanded) > small_bytes_max) return malformed();
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
  return in.bad() ? malformed() : result<void>();
}

result<void> session::read_half::large(cursor in, session_handler& handler, feedback& out) {
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
  return in.bad() ? malformed() : result<void>();
}

result<void> session::read_half::control(cursor in, time_point now, session_handler& handler,
                                         feedback& out) {
  while (!in.done()) {
    result<void> ok;
    switch (const auto what = static_cast<control_item>(in.word<std::uint8_t>())) {
      case control_item::record:
      case control_item::part: ok = record(in, what == control_item::record, handler, out); break;
      case control_item::acknowledge:
        out.acknowledged = in.varint();  // a later one says more
        if (inbox == nullptr) ok = no_control();
        break;
      case control_item::ping: out.pong = in.word<std::uint64_t>(); break;
      case control_item::pong: {
        const std::uint64_t trip =
            static_cast<std::uint64_t>(now.time_since_epoch().count()) - in.word<std::uint64_t>();
        if (trip < static_cast<std::uint64_t>(round_trip_max.count()))
          out.round_trip = duration(static_cast<duration::rep>(trip));
        break;
      }
      case control_item::credit: ok = credit(in, out); break;
      case control_item::goodbye: return goodbye(in, handler);
      default: return violation("a control item that this version does not know");
    }
    if (!ok) return ok;
  }
  return in.bad() ? violation("a control item is malformed") : result<void>();
}

result<void> session::read_half::record(cursor& in, bool last, session_handler& handler,
                                        feedback& out) {
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

result<void> session::read_half::credit(cursor& in, feedback& out) {
  const auto on = in.word<std::uint8_t>();
  const std::uint64_t more = in.varint();
  if (on == index_of(lane::control) || on >= lane_count)
    return violation("credit for a lane that has none");
  if (out.credit[on] + more < more) return violation("credit without end");
  out.credit[on] += more;
  return {};
}

result<void> session::read_half::goodbye(cursor& in, session_handler& handler) {
  const auto why = in.word<std::uint8_t>();
  const std::string text = made_printable(in.text(in.varint()));
  if (in.bad() || why < static_cast<std::uint8_t>(goodbye_reason::stopping) ||
      why > static_cast<std::uint8_t>(goodbye_reason::overloaded))
    return violation("a goodbye is malformed");
  all.state.store(session_state::closed);
  handler.on_goodbye(static_cast<goodbye_reason>(why), text);
  return {};
}

}  // namespace odeon::remote::detail
