#pragma once

#include "remote/internal/handshake.hpp"
#include "remote/internal/session.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// @file Two sides of one connection for tests: each has a session, its control lane and what it
/// was told; bytes go between them as the test says.

namespace session_test {

using namespace odeon::remote::detail;
using odeon::duration;
using odeon::errc;
using odeon::error;
using odeon::result;
using odeon::time_point;
using odeon::wire::bytes;

inline constexpr std::string_view secret_text = "a secret of the test, long enough";

inline nonce nonce_of(std::uint8_t first) {
  nonce n{};
  for (std::size_t i = 0; i < n.size(); ++i) n[i] = std::byte(first + i);
  return n;
}

inline session_options options_of(role side, protection how = protection::none) {
  const bool dialer = side == role::dialer;
  session_options o;
  o.side = side;
  o.protect = how;
  if (how == protection::secret) o.secret = secret_text;
  if (how == protection::tls) o.identities = {dialer ? "b.example" : "a.example"};
  o.system = dialer ? "shop" : "bank";
  o.node = dialer ? "a.example:7400" : "b.example:7400";
  o.incarnation = dialer ? 0xa1a1a1a1U : 0xb2b2b2b2U;
  o.version = "0.1.0";
  o.to = dialer ? "b.example:7400" : "";
  o.fresh = nonce_of(dialer ? 1 : 101);
  return o;
}

/// A message that owns its bytes, to be compared.
struct owned {
  user_kind kind{};
  std::string to, from, manifest;
  std::uint64_t to_uid = 0, from_uid = 0, ask = 0, trace = 0, key = 0;
  std::int64_t limit = 0;
  std::int32_t priority = 0;
  int version = 0, form = 0;
  bytes payload;
  friend bool operator==(const owned&, const owned&) = default;

  owned() = default;
  explicit owned(const user_message& m)
      : kind(m.kind),
        to(m.to.path),
        from(m.from.path),
        manifest(m.message.manifest),
        to_uid(m.to.uid),
        from_uid(m.from.uid),
        ask(m.kind == user_kind::tell ? 0 : m.ask),
        trace(m.trace),
        key(m.key),
        limit(std::max<std::int64_t>(m.limit.count(), 0)),
        priority(m.priority),
        version(m.message.manifest.empty() ? 0 : m.message.version),
        form(m.message.manifest.empty() ? 0 : static_cast<int>(m.message.form)),
        payload(m.message.payload.begin(), m.message.payload.end()) {}
  [[nodiscard]] user_message view() const {
    user_message m;
    m.kind = kind;
    m.to = {to, to_uid};
    m.from = {from, from_uid};
    m.ask = ask;
    m.limit = duration(limit);
    m.trace = trace;
    m.key = key;
    m.priority = priority;
    m.message = {manifest, version, static_cast<odeon::wire::format>(form), payload};
    return m;
  }
};

inline bytes bytes_of(std::string_view text) {
  const auto b = odeon::wire::as_bytes(text);
  return {b.begin(), b.end()};
}
inline std::string text_of(std::span<const std::byte> b) {
  return std::string(odeon::wire::as_text(b));
}
inline bytes pattern(std::size_t size, unsigned seed = 1) {
  bytes b(size);
  std::uint32_t x = seed * 2654435761U + 1;
  for (std::byte& each : b) {
    x = x * 1664525U + 1013904223U;
    each = std::byte(x >> 24U);
  }
  return b;
}

inline owned tell(std::string to, bytes payload, std::string from = "/user/from") {
  owned m;
  m.to = std::move(to);
  m.to_uid = 7;
  m.from = std::move(from);
  m.from_uid = m.from.empty() ? 0 : 9;
  m.manifest = "test.message";
  m.version = 1;
  m.form = 1;
  m.payload = std::move(payload);
  return m;
}

struct side final : session_handler {
  explicit side(session_options o, std::size_t records = 1000)
      : options(o),
        outbox(records),
        s(std::move(o)) {}

  session_options options;
  control_outbox outbox;
  control_inbox inbox;
  session s;
  feedback f;
  std::vector<owned> messages;
  std::vector<name_serial> serials;  // of the receivers
  std::vector<std::string> records;
  std::optional<std::pair<goodbye_reason, std::string>> goodbye;
  std::optional<duration> round_trip;
  std::optional<error> failed;
  time_point now{std::chrono::seconds(1)};
  bool accepts = true;
  std::function<std::size_t(std::size_t)> portion = [](std::size_t n) { return n; };

  void on_message(const user_message& m) noexcept override {
    messages.emplace_back(m);
    serials.push_back(m.to_serial);
  }
  void on_control(std::span<const std::byte> r) noexcept override { records.push_back(text_of(r)); }
  void on_goodbye(goodbye_reason why, std::string_view text) noexcept override {
    goodbye.emplace(why, text);
  }

  /// Everything that is to be written now.
  bytes take() {
    output out;
    if (s.has_output()) s.take(out);
    bytes all;
    std::array<odeon::const_bytes, 3> pieces;
    const std::size_t used = out.pieces(pieces);
    for (std::size_t i = 0; i < used; ++i)
      all.insert(all.end(), pieces[i].begin(), pieces[i].end());
    return all;
  }
  result<void> receive(std::size_t count) {
    const session_state before = s.state();
    auto ok = s.receive(count, now, *this, f);
    if (ok && s.state() == session_state::deciding && accepts) s.accept();
    const bool opened = before != session_state::open && s.state() == session_state::open;
    if (ok && opened) {
      if (s.peer()->stream == 0) s.attach(&outbox, &inbox);
      return receive(0);
    }
    if (f.round_trip) round_trip = f.round_trip;
    if (ok) ok = s.apply(f);
    if (!ok && !failed) failed = ok.error();
    return ok;
  }
  /// Bytes that have come, in portions.
  result<void> feed(std::span<const std::byte> in) {
    while (!in.empty()) {
      const auto room = s.room();
      const std::size_t n = std::clamp<std::size_t>(portion(std::min(room.size(), in.size())), 1,
                                                    std::min(room.size(), in.size()));
      std::memcpy(room.data(), in.data(), n);
      in = in.subspan(n);
      if (auto ok = receive(n); !ok) return ok;
    }
    return {};
  }
};

/// Both ends, connected.
struct pair {
  pair(session_options dialer, session_options acceptor)
      : a(std::move(dialer)),
        b(std::move(acceptor)) {}
  explicit pair(protection how = protection::none)
      : pair(options_of(role::dialer, how), options_of(role::acceptor, how)) {}

  side a, b;
  bytes recorded;  // all that a has written
  bytes answered;  // and b

  /// Moves bytes until both sides are quiet.
  void run() {
    for (int turns = 0; turns < 100'000; ++turns) {
      const bytes from_a = a.take();
      const bytes from_b = b.take();
      recorded.insert(recorded.end(), from_a.begin(), from_a.end());
      answered.insert(answered.end(), from_b.begin(), from_b.end());
      if (!from_a.empty() && !b.failed) (void)b.feed(from_a);
      if (!from_b.empty() && !a.failed) (void)a.feed(from_b);
      if (from_a.empty() && from_b.empty()) return;
    }
  }
  /// All of them, with as many turns as their credit needs.
  void send(side& from, const std::vector<owned>& all) {
    for (const owned& m : all) {
      for (int turns = 0; turns < 1000; ++turns) {
        const auto taken = from.s.add(m.view());
        if (!taken) {
          from.failed = taken.error();
          return;
        }
        if (*taken) break;
        run();
      }
    }
    run();
  }
};

}  // namespace session_test
