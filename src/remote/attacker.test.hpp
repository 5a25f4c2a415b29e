#pragma once

#include "remote/internal/chunks.hpp"
#include "remote/internal/cursor.hpp"
#include "remote/internal/frame.hpp"
#include "remote/session_pair.test.hpp"
#include <odeon/base/crc32c.hpp>

/// @file A peer that has the secret, or needs none, and says what it likes: frames with right
/// counters and checks around any items.

namespace session_test {

using odeon::crc32c;
using odeon::wire::buffer;

/// The CRC at the end of a handshake's message made right again after the bytes were changed.
inline void repair(bytes& message) {
  const std::span all(message);
  const std::uint32_t crc = crc32c(all.first(all.size() - 4));
  std::memcpy(message.data() + message.size() - 4, &crc, 4);
}

struct attacker {
  explicit attacker(side& victim, protection how = protection::none)
      : attacker(
            victim,
            options_of(victim.options.side == role::dialer ? role::acceptor : role::dialer, how)) {}
  attacker(side& victim, const session_options& as) : me(as), of(victim) {
    for (int i = 0; i < 4; ++i) {
      if (const bytes theirs = of.take(); !theirs.empty()) (void)me.receive(theirs);
      if (me.at() == handshake::step::deciding) me.accept();
      const bytes mine = me.out().to_bytes();
      me.out().clear();
      if (!mine.empty()) (void)of.feed(mine);
    }
    const bool dialer = me.options().side == role::dialer;
    frames.emplace(frame_check(as.protect, dialer ? me.keys().dialer : me.keys().acceptor));
  }

  /// A frame around what `write` appends.
  template <class Write>
  bytes frame(lane l, Write&& write) {
    buffer out;
    const std::size_t begun = frames->begin(out, l);
    write(out);
    frames->close(out, begun);
    frames->seal(out);
    return out.to_bytes();
  }
  template <class Write>
  result<void> send(lane l, Write&& write) {
    return of.feed(frame(l, std::forward<Write>(write)));
  }

  handshake me;
  side& of;
  std::optional<frame_writer> frames;
};

inline void append_text(buffer& out, std::string_view text) {
  append_varint(out, text.size());
  out.append(text);
}
/// "2 slot text uid": a definition.
inline void append_definition(buffer& out, std::uint64_t slot, std::string_view text,
                              std::uint64_t extra) {
  append_varint(out, 2);
  append_varint(out, slot);
  append_text(out, text);
  append_varint(out, extra);
}
/// The head of a tell whose receiver is written by `to`.
template <class Name>
void append_tell(buffer& out, Name&& to, std::uint64_t payload) {
  out.push_back(std::byte{1});
  to(out);
  append_varint(out, 0);
  append_varint(out, 0);
  append_varint(out, payload);
}
inline void nobody(buffer& out) { append_varint(out, 0); }

}  // namespace session_test
