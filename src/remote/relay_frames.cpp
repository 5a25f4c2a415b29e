#include "internal/relay_frames.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace odeon::remote {

namespace {

constexpr std::array<std::string_view, relay_refusals> refusal_texts = {
    "no reason",
    "unknown target",
    "overloaded",
    "too large",
    "wrong secret",
    "incompatible version",
    "bad name",
    "too many names",
    "too many connections",
    "too many connections from that host",
    "too many handshakes under way",
    "registered late",
    "protocol violation",
    "silent",
    "takes nothing",
    "replaced",
    "draining",
};

}  // namespace

std::string_view to_string(relay_refusal why) noexcept {
  const auto i = static_cast<std::size_t>(why);
  return i < refusal_texts.size() ? refusal_texts[i] : "an unknown reason";
}

bool is_relay_name(std::string_view name) noexcept {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= relay_name_max && std::ranges::all_of(name, fits);
}

}  // namespace odeon::remote

namespace odeon::remote::relay_detail {

namespace {

digest proof(std::string_view purpose, const_bytes secret, const nonce& relay, const nonce& node,
             std::string_view name) noexcept {
  const auto size = static_cast<std::byte>(name.size());
  const std::array<const_bytes, 5> pieces = {wire::as_bytes(purpose), const_bytes(relay),
                                             const_bytes(node), const_bytes(&size, 1),
                                             wire::as_bytes(name)};
  return hmac_sha256(secret, pieces);
}

void put8(bytes& out, std::string_view text) {
  put<std::uint8_t>(out, static_cast<std::uint8_t>(text.size()));
  put(out, wire::as_bytes(text));
}

// The fields of each kind, in their order; `append` and `read_frame` go through them alike.
void put_fields(bytes& out, const challenge& f) {
  put(out, magic);
  put(out, f.lowest);
  put(out, f.highest);
  put<std::uint8_t>(out, f.authenticate ? 1 : 0);
  put(out, const_bytes(f.random));
  put(out, f.envelope_bytes);
  put(out, f.heartbeat_ms);
}
void put_fields(bytes& out, const registration& f) {
  put(out, magic);
  put(out, f.chosen);
  put<std::uint8_t>(out, f.authenticate ? 1 : 0);
  put(out, const_bytes(f.random));
  put(out, const_bytes(f.tag));
  put8(out, f.name);
}
void put_fields(bytes& out, const welcome& f) { put(out, const_bytes(f.tag)); }
void put_fields(bytes& out, const goodbye& f) {
  put(out, static_cast<std::uint16_t>(f.why));
  const auto text = f.text.substr(0, text_max);
  put(out, static_cast<std::uint16_t>(text.size()));
  put(out, wire::as_bytes(text));
}
void put_fields(bytes& out, const envelope& f) {
  put(out, f.number);
  put8(out, f.target);
  put(out, f.payload);
}
void put_fields(bytes& out, const delivery& f) {
  put8(out, f.source);
  put(out, f.payload);
}
void put_fields(bytes& out, const ack& f) {
  put(out, f.first);
  put(out, f.count);
}
void put_fields(bytes& out, const nack& f) {
  put(out, f.number);
  put(out, static_cast<std::uint16_t>(f.why));
}
void put_fields(bytes& out, const ping& f) { put(out, f.token); }
void put_fields(bytes& out, const pong& f) { put(out, f.token); }

/// A byte that is 0 or 1, else nothing.
std::optional<bool> flag(field_reader& r) {
  const auto v = r.number<std::uint8_t>();
  if (v > 1) return std::nullopt;
  return v == 1;
}

std::optional<frame> read_fields(std::uint8_t kind, field_reader& r) {
  switch (kind) {
    case challenge::kind: {
      challenge f;
      const bool known = r.number<std::uint32_t>() == magic;
      f.lowest = r.number<std::uint8_t>();
      f.highest = r.number<std::uint8_t>();
      const auto authenticate = flag(r);
      f.random = r.array<32>();
      f.envelope_bytes = r.number<std::uint32_t>();
      f.heartbeat_ms = r.number<std::uint32_t>();
      if (!known || !authenticate || f.lowest > f.highest) return std::nullopt;
      f.authenticate = *authenticate;
      return f;
    }
    case registration::kind: {
      registration f;
      const bool known = r.number<std::uint32_t>() == magic;
      f.chosen = r.number<std::uint8_t>();
      const auto authenticate = flag(r);
      f.random = r.array<32>();
      f.tag = r.array<32>();
      f.name = r.text8();
      if (!known || !authenticate) return std::nullopt;
      f.authenticate = *authenticate;
      return f;
    }
    case welcome::kind: return welcome{r.array<32>()};
    case goodbye::kind: {
      goodbye f;
      f.why = static_cast<relay_refusal>(r.number<std::uint16_t>());
      f.text = r.text16();
      if (f.text.size() > text_max) return std::nullopt;
      return f;
    }
    case envelope::kind: {
      envelope f;
      f.number = r.number<std::uint64_t>();
      f.target = r.text8();
      f.payload = r.rest();
      return f;
    }
    case delivery::kind: {
      delivery f;
      f.source = r.text8();
      f.payload = r.rest();
      return f;
    }
    case ack::kind: {
      ack f;
      f.first = r.number<std::uint64_t>();
      f.count = r.number<std::uint32_t>();
      return f;
    }
    case nack::kind: {
      nack f;
      f.number = r.number<std::uint64_t>();
      f.why = static_cast<relay_refusal>(r.number<std::uint16_t>());
      return f;
    }
    case ping::kind: return ping{r.number<std::uint64_t>()};
    case pong::kind: return pong{r.number<std::uint64_t>()};
    default: return std::nullopt;
  }
}

}  // namespace

const_bytes field_reader::take(std::size_t n) noexcept {
  if (!good_ || in_.size() - at_ < n) {
    good_ = false;
    return {};
  }
  return in_.subspan(std::exchange(at_, at_ + n), n);
}

result<frame> read_frame(const_bytes body) {
  field_reader r(body);
  const auto kind = r.number<std::uint8_t>();
  auto f = read_fields(kind, r);
  if (!r.good())
    return fail(errc::truncated, "a relay frame of kind " + std::to_string(kind) +
                                     " ends at byte " + std::to_string(body.size()));
  if (!f || !r.whole())
    return fail(errc::bad_encoding, "a relay frame of kind " + std::to_string(kind) +
                                        " is malformed at byte " + std::to_string(r.offset()));
  return *f;
}

void append(bytes& out, const frame& f) {
  const std::size_t begin = out.size();
  put<std::uint32_t>(out, 0);
  std::visit(
      [&](const auto& one) {
        put(out, std::remove_cvref_t<decltype(one)>::kind);
        put_fields(out, one);
      },
      f);
  const std::size_t size = out.size() - begin - head_size;
  for (std::size_t i = 0; i < head_size; ++i)
    out[begin + i] = static_cast<std::byte>(size >> (8 * i));
}

digest node_proof(const_bytes secret, const nonce& relay, const nonce& node,
                  std::string_view name) noexcept {
  return proof("odeon relay 1 node\n", secret, relay, node, name);
}
digest relay_proof(const_bytes secret, const nonce& relay, const nonce& node,
                   std::string_view name) noexcept {
  return proof("odeon relay 1 relay\n", secret, relay, node, name);
}

// A frame that lies whole in `in` is handed out where it stands; one that came in pieces is put
// together in `held_`, which never grows beyond it.
result<std::optional<const_bytes>> frame_reader::next(const_bytes& in) {
  const auto size_of = [](const_bytes b) {
    return std::size_t{field_reader(b).number<std::uint32_t>()};
  };
  const auto fill = [&](std::size_t upto) {
    const std::size_t n = std::min(upto - std::min(upto, held_.size()), in.size());
    put(held_, in.first(n));
    in = in.subspan(n);
    return held_.size() >= upto;
  };
  const auto check = [&](std::size_t size) -> result<void> {
    if (size > 0 && size <= max_) return {};
    return fail(errc::limit_exceeded, "a relay frame of " + std::to_string(size) +
                                          " bytes, where 1 to " + std::to_string(max_) +
                                          " are allowed");
  };
  if (held_.empty() && in.size() >= head_size) {
    const std::size_t size = size_of(in);
    if (auto ok = check(size); !ok) return std::unexpected(ok.error());
    if (in.size() - head_size >= size) {
      const const_bytes body = in.subspan(head_size, size);
      in = in.subspan(head_size + size);
      return body;
    }
  }
  if (!fill(head_size)) return std::nullopt;
  const std::size_t size = size_of(held_);
  if (auto ok = check(size); !ok) return std::unexpected(ok.error());
  if (!fill(head_size + size)) return std::nullopt;
  used_ = true;
  return const_bytes(held_).subspan(head_size);
}

void frame_reader::done() noexcept {
  if (!std::exchange(used_, false)) return;
  held_.clear();
  if (held_.capacity() > 64 * 1024) bytes().swap(held_);
}

}  // namespace odeon::remote::relay_detail
