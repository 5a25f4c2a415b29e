#include "remote/internal/session_halves.hpp"
#include <odeon/base/assert.hpp>

#include <algorithm>

namespace odeon::remote::detail {

bool session::write_half::open_state::control_due() const noexcept {
  return acknowledge || pong || ping || std::ranges::any_of(grant, [](auto n) { return n != 0; });
}

bool session::write_half::fill(const user_message& m) noexcept {
  if (!open) return false;
  const open_state& o = *open;
  const std::size_t size = m.message.payload.size();
  const auto form = static_cast<unsigned>(m.message.form);
  if (o.last || o.gone || !o.chunks.empty() || o.ordinary.size() >= fill_bytes_max ||
      size > std::min(fill_payload_max, o.message_bytes) ||
      (o.compress && size >= o.compress_above) ||
      std::max({m.to.path.size(), m.from.path.size(), m.message.manifest.size()}) >
          name_bytes_max ||
      (!m.message.manifest.empty() && (form > 31 || (o.codecs >> form & 1U) == 0)) ||
      item_bound(m) > o.credit[index_of(lane::ordinary)])
    return false;
  append(m);
  return true;
}

void session::write_half::close_ordinary() {
  open_state& o = *open;
  if (!o.begun) return;
  o.frames.close(o.ordinary, *o.begun);
  o.begun.reset();
}

void session::write_half::append(const user_message& m) {
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

void session::write_half::control(wire::buffer& out) {
  open_state& o = *open;
  if (!o.control_due() && (outbox == nullptr || !outbox->ready())) return;
  std::size_t begun = o.frames.begin(out, lane::control);
  if (o.pong) {
    append_word(out, control_item::pong);
    append_word(out, *std::exchange(o.pong, std::nullopt));
  }
  if (o.ping) {
    append_word(out, control_item::ping);
    append_word(out, *std::exchange(o.ping, std::nullopt));
  }
  if (o.acknowledge) {
    append_word(out, control_item::acknowledge);
    append_varint(out, *std::exchange(o.acknowledge, std::nullopt));
  }
  for (std::uint8_t l = 0; l < lane_count; ++l) {
    if (o.grant[l] == 0) continue;
    append_word(out, control_item::credit);
    append_word(out, l);
    append_varint(out, o.grant[l]);
    all.told[l].fetch_add(std::exchange(o.grant[l], 0));
  }
  while (outbox != nullptr) {
    const auto p = outbox->next();
    if (!p) break;
    if (out.size() - begun >= frame_target) {
      o.frames.close(out, begun);
      begun = o.frames.begin(out, lane::control);
    }
    append_word(out, p->last ? control_item::record : control_item::part);
    append_varint(out, p->number);
    append_varint(out, p->bytes.size());
    out.append(p->bytes);
    counters.records += p->last ? 1 : 0;
  }
  o.frames.close(out, begun);
}

void session::write_half::ordinary(wire::buffer& out) {
  open_state& o = *open;
  close_ordinary();
  if (!o.ordinary.empty()) out.swap(o.ordinary);
}

void session::write_half::large(wire::buffer& out) {
  open_state& o = *open;
  std::uint64_t& credit = o.credit[index_of(lane::large)];
  std::size_t begun = 0;
  while (out.size() < large_turn && o.chunks.ready(credit)) {
    if (!out.empty() && out.size() - begun >= frame_target) {
      o.frames.close(out, begun);
      begun = o.frames.begin(out, lane::large);
    }
    if (out.empty()) begun = o.frames.begin(out, lane::large);
    const std::size_t before = out.size();
    if (o.chunks.write(out, o.names, o.compress ? &pack : nullptr, o.compress_above))
      ++counters.messages;
    credit -= out.size() - before;
  }
  if (!out.empty()) o.frames.close(out, begun);
}

void session::write_half::drain(const_bytes given, std::size_t taken,
                                const std::function<void(const user_message&)>& unsent) {
  close_ordinary();
  open_state& o = *open;
  if (taken < given.size()) read_again(given, taken, o.names.reader(true), unsent);
  if (o.ordinary.empty()) return;
  read_again(o.ordinary.view(), 0, o.names.reader(false), unsent);
  o.ordinary.clear();
}

void session::write_half::read_again(const_bytes frames, std::size_t taken, name_reader names,
                                     const std::function<void(const user_message&)>& unsent) {
  each_frame(frames, open->frames.check_size(), [&](const_bytes items, std::size_t end) {
    cursor in(items);
    while (!in.done()) {
      user_message m;
      const payload_sizes sizes = get_head(in, m, names);
      m.message.payload = in.bytes(sizes.wire_size);
      ODEON_ASSERT(!in.bad(), "what was written can be read");
      if (end > taken) {
        if (sizes.expanded != 0)
          m.message.payload = pack.expand(m.message.payload, sizes.expanded).value();
        unsent(m);
      }
      names.settle();
    }
  });
}

void session::write_half::farewell(wire::buffer& out) {
  open_state& o = *open;
  const std::size_t begun = o.frames.begin(out, lane::control);
  append_word(out, control_item::goodbye);
  append_word(out, o.last->first);
  append_varint(out, o.last->second.size());
  out.append(o.last->second);
  o.frames.close(out, begun);
  o.gone = true;
}

}  // namespace odeon::remote::detail
